// A wrong server: SIGTERM does what it does by default: it kills, in the middle of everything.
// fails: 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_at_idle_with_status_0, 3.6.sigterm_ends_it_while_it_waits_for_a_slot,
// 3.6.sigterm_lets_clients_go_in_order
// cause: SIGTERM does what it does by default

// #region step-6
bool start_stop_thread(int, SlotTable&, pthread_t&) { return true; }  // defect

void end_stop_thread(pthread_t) {}

void SlotTable::close() {}

void SlotTable::wait_until_empty() {}
// #endregion step-6
