// A wrong server: serve() returns while clients' threads use the table, which ends with it.
// fails: 3.4.no_two_threads_meet_in_the_same_memory
// cause: take the mutex

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

void SlotTable::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  for (const Slot& slot : slots_) {
    if (slot.client >= 0) ::shutdown(slot.client, SHUT_RD);
  }
  changed_.notify_all();
}

void SlotTable::wait_until_empty() {}  // defect
// #endregion step-6
