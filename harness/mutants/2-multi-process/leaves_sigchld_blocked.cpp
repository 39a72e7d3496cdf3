// A wrong server: SIGCHLD is blocked while fork runs and never let through again; the handler never
// runs.
// fails: 2.4.no_zombie_is_left_at_idle, 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.no_zombie_is_left_while_others_live,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: SIGCHLD says when a child has ended

// #region step-1
pid_t start_child(int listener, unique_fd client) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &sigterm, &before);
  sigset_t sigchld;
  ::sigemptyset(&sigchld);
  ::sigaddset(&sigchld, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &sigchld, nullptr);  // defect

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
  client.reset();
  ::sigprocmask(SIG_UNBLOCK, &sigterm, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
