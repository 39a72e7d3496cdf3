// A wrong server: there is no fork; the parent serves its clients itself, one after the other.
// fails: 2.1.a_silent_client_holds_nobody_up,
// 2.1.sixty_four_clients_at_once_each_get_their_own_bytes,
// 2.1.each_client_has_a_process_of_its_own, 2.1.a_client_sees_the_end_when_its_process_is_killed,
// 2.1.the_port_is_free_once_the_parent_is_gone, 2.2.children_that_ended_together_are_all_reaped,
// 2.2.reaping_does_not_wait_for_the_living, 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.no_zombie_is_left_while_others_live, 2.5.a_failed_fork_costs_only_that_client,
// 2.6.sigterm_leaves_no_process_behind
// cause: whoever accepts serves the client himself|accepts no client yet

// #region step-5
int serve(int listener, const Options&) {
  if (!install_sigchld_handler() || !install_stop_handler(listener)) return 1;
  std::vector<pid_t> children;
  for (;;) {
    unique_fd client(next_client(listener));
    const int error = errno;
    reap_children();
    if (stop_requested || (!client && error == EINTR)) break;
    if (!client) {
      if (!survive_accept_failure(error)) return 1;
      continue;
    }
    echo_client(client.get());  // defect
  }
  stop_children(children);
  return 0;
}
// #endregion step-5
