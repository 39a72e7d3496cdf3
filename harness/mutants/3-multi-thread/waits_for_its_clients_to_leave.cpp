// A wrong server: after SIGTERM it waits until its clients have left by themselves.
// fails: 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_while_it_waits_for_a_slot, 3.6.sigterm_lets_clients_go_in_order
// cause: a thread sleeps in read

// #region step-6
namespace {

struct StopArgument {
  int listener;
  SlotTable& slots;
};

void* wait_for_sigterm(void* pointer) {
  const std::unique_ptr<StopArgument> argument(static_cast<StopArgument*>(pointer));
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  int number = 0;
  ::sigwait(&sigterm, &number);
  argument->slots.close();
  ::shutdown(argument->listener, SHUT_RD);
  return nullptr;
}
}  // namespace

bool start_stop_thread(int listener, SlotTable& slots, pthread_t& stop_thread) {
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &sigterm, nullptr);

  std::unique_ptr<StopArgument> argument(new StopArgument{listener, slots});
  const int error = ::pthread_create(&stop_thread, nullptr, wait_for_sigterm, argument.get());
  if (error != 0) {
    errno = error;
    return false;
  }
  static_cast<void>(argument.release());
  return true;
}

void end_stop_thread(pthread_t stop_thread) {
  ::pthread_kill(stop_thread, SIGTERM);
  ::pthread_join(stop_thread, nullptr);
}

void SlotTable::close() {  // defect
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void SlotTable::wait_until_empty() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return std::ranges::none_of(slots_, &Slot::taken); });
}
// #endregion step-6
