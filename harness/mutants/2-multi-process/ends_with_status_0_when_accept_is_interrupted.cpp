// A wrong server: accept that SIGCHLD interrupts is taken for a stop; the server ends with status
// 0.
// fails: 2.1.a_child_ends_when_its_client_has_left,
// 2.1.a_client_sees_the_end_when_its_process_is_killed,
// 2.2.a_child_that_ended_is_reaped_by_the_time_the_next_client_is_served,
// 2.2.children_that_ended_together_are_all_reaped, 2.2.reaping_does_not_wait_for_the_living,
// 2.3.a_signal_while_it_waits_for_clients_does_no_harm, 2.4.no_zombie_is_left_at_idle,
// 2.4.no_zombie_is_left_when_many_clients_leave_at_once, 2.4.no_zombie_is_left_while_others_live,
// 2.4.the_end_of_a_child_does_not_end_the_server, 2.4.the_handler_leaves_errno_as_it_was,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client,
// 2.5.a_failed_fork_costs_only_that_client, 2.5.a_failed_fork_leaves_nobody_waiting,
// 2.5.a_client_that_gave_up_early_is_survived, 2.5.running_out_of_descriptors_is_survived
// cause: EINTR

// #region step-3
int next_client(int listener) { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); }  // defect
// #endregion step-3
