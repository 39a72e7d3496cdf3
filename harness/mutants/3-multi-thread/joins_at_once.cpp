// A wrong server: the thread is joined where it is started, so that one client waits for another.
// fails: 3.1.a_signal_does_no_harm, 3.1.a_silent_client_holds_nobody_up,
// 3.1.all_clients_are_served_by_one_process, 3.1.each_client_gets_its_own_bytes,
// 3.1.sixty_four_clients_at_once_each_get_their_own_bytes, 3.2.threads_end_with_their_clients,
// 3.3.one_client_too_many_waits, 3.3.waiting_for_a_slot_takes_no_processor_time,
// 3.4.who_waits_is_served_when_another_leaves,
// 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_while_it_waits_for_a_slot, 3.6.sigterm_lets_clients_go_in_order
// cause: whoever accepts serves the client himself|accepts no client

// #region step-2
void release_thread(pthread_t thread) { ::pthread_join(thread, nullptr); }  // defect
// #endregion step-2
