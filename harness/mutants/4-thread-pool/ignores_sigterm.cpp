// A wrong server: SIGTERM is blocked in all threads, and nobody waits for it.
// fails: 4.5.sigterm_ends_it_although_clients_do_not_read,
// 4.5.sigterm_ends_it_at_idle_with_status_0, 4.5.sigterm_ends_it_with_clients_in_the_queue,
// 4.5.sigterm_lets_clients_go_in_order
// cause: SIGTERM is ignored

// #region step-5
bool start_stop_thread(int, ClientQueue&, pthread_t&) {
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &sigterm, nullptr);  // defect
  return true;
}

void end_stop_thread(pthread_t) {}

void ClientRegistry::enter(int) {}

void ClientRegistry::leave(int) {}

void ClientRegistry::shut_down(int how) { how_ = how; }

bool Pool::join_within(std::chrono::seconds) { return false; }
// #endregion step-5
