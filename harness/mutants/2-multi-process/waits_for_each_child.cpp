// A wrong server: after fork the parent waits until that child has ended; one client at a time.
// fails: 2.1.a_silent_client_holds_nobody_up,
// 2.1.sixty_four_clients_at_once_each_get_their_own_bytes,
// 2.1.each_client_has_a_process_of_its_own, 2.1.a_client_sees_the_end_when_its_process_is_killed,
// 2.2.children_that_ended_together_are_all_reaped, 2.2.reaping_does_not_wait_for_the_living,
// 2.4.no_zombie_is_left_when_many_clients_leave_at_once, 2.4.no_zombie_is_left_while_others_live,
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
    const pid_t child = start_child(listener, std::move(client));
    if (child < 0) std::perror("fork");
    if (child > 0) ::waitpid(child, nullptr, 0);  // defect
    std::erase_if(children, [](pid_t pid) { return ::kill(pid, 0) != 0; });
    if (child > 0) children.push_back(child);
  }
  stop_children(children);
  return 0;
}
// #endregion step-5
