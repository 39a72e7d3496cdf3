// A wrong server: the parent does not close a client that a child serves; it never sees its end of
// file, and a descriptor leaks.
// fails: 2.1.after_a_half_close_everything_comes_back_then_the_end,
// 2.1.the_parent_keeps_no_client,
// 2.1.a_client_sees_the_end_when_its_process_is_killed,
// 2.3.a_signal_while_it_waits_for_clients_does_no_harm, 2.4.no_zombie_is_left_while_others_live,
// 2.4.the_end_of_a_child_does_not_end_the_server,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client,
// 2.5.a_failed_fork_leaves_nobody_waiting, 2.5.running_out_of_descriptors_is_survived
// cause: the client's descriptor is never closed

// #region step-1
pid_t start_child(int listener, unique_fd client) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &sigterm, &before);

  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(listener);
    echo_client(client.get());
    ::_exit(0);
  }

  const int error = errno;
  [[maybe_unused]] const int kept = client.release();  // defect
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
