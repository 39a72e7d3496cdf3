// A wrong server: SIGTERM does what it does by default: it kills, in the middle of everything.
// fails: 4.5.sigterm_ends_it_although_clients_do_not_read,
// 4.5.sigterm_ends_it_at_idle_with_status_0, 4.5.sigterm_ends_it_with_clients_in_the_queue,
// 4.5.sigterm_lets_clients_go_in_order
// cause: SIGTERM does what it does by default

// #region step-5
bool start_stop_thread(int, ClientQueue&, pthread_t&) { return true; }  // defect

void end_stop_thread(pthread_t) {}

void ClientRegistry::enter(int) {}

void ClientRegistry::leave(int) {}

void ClientRegistry::shut_down(int how) { how_ = how; }

bool Pool::join_within(std::chrono::seconds) { return false; }
// #endregion step-5
