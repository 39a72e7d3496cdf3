// A wrong server: a child does not close the listener; the port stays taken while it lives.
// fails: 2.1.the_port_is_free_once_the_parent_is_gone
// cause: children keep the listener open

// #region step-1
pid_t start_child(int, unique_fd client) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &sigterm, &before);

  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    echo_client(client.get());  // defect
    ::_exit(0);
  }

  const int error = errno;
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
