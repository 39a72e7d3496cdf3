// A wrong server: SIGTERM is blocked in all threads, and nobody waits for it.
// fails: 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_at_idle_with_status_0, 3.6.sigterm_ends_it_while_it_waits_for_a_slot,
// 3.6.sigterm_lets_clients_go_in_order
// cause: SIGTERM is ignored

// #region step-6
bool start_stop_thread(int, SlotTable&, pthread_t&) {
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);  // defect
  ::pthread_sigmask(SIG_BLOCK, &sigterm, nullptr);
  return true;
}

void end_stop_thread(pthread_t) {}

void SlotTable::close() {}

void SlotTable::wait_until_empty() {}
// #endregion step-6
