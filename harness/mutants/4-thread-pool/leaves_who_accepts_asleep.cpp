// A wrong server: SIGTERM closes the queue, but not the listener: accept sleeps on.
// fails: 4.5.sigterm_ends_it_although_clients_do_not_read,
// 4.5.sigterm_ends_it_at_idle_with_status_0, 4.5.sigterm_ends_it_with_clients_in_the_queue,
// 4.5.sigterm_lets_clients_go_in_order
// cause: nobody wakes the thread that accepts

// #region step-5
namespace {

struct Stop {
  int listener;
  ClientQueue& queue;
};

void* wait_for_sigterm(void* argument) {
  const auto stop = std::unique_ptr<Stop>(static_cast<Stop*>(argument));
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  int number = 0;
  ::sigwait(&sigterm, &number);
  stop->queue.close();  // defect
  return nullptr;
}

}  // namespace

bool start_stop_thread(int listener, ClientQueue& queue, pthread_t& stop_thread) {
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &sigterm, nullptr);
  std::unique_ptr<Stop> stop(new Stop{listener, queue});
  if (::pthread_create(&stop_thread, nullptr, wait_for_sigterm, stop.get()) != 0) return false;
  static_cast<void>(stop.release());
  return true;
}

void end_stop_thread(pthread_t stop_thread) {
  ::pthread_kill(stop_thread, SIGTERM);
  ::pthread_join(stop_thread, nullptr);
}

void ClientRegistry::enter(int client) {
  const std::scoped_lock lock(mutex_);
  clients_.insert(client);
  if (how_ >= 0) ::shutdown(client, how_);
}

void ClientRegistry::leave(int client) {
  const std::scoped_lock lock(mutex_);
  clients_.erase(client);
}

void ClientRegistry::shut_down(int how) {
  const std::scoped_lock lock(mutex_);
  how_ = how;
  for (const int client : clients_) ::shutdown(client, how);
}

bool Pool::join_within(std::chrono::seconds limit) {
  timespec deadline{};
  ::clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += limit.count();
  while (!threads_.empty()) {
    if (::pthread_timedjoin_np(threads_.back(), nullptr, &deadline) != 0) return false;
    threads_.pop_back();
  }
  return true;
}
// #endregion step-5
