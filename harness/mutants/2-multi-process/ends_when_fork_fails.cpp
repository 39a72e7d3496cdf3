// A wrong server: a fork that fails ends the whole server.
// fails: 2.5.a_failed_fork_costs_only_that_client, 2.5.a_failed_fork_leaves_nobody_waiting
// cause: failure that passes must not end the server

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
  if (child < 0) {
    std::perror("fork");
    ::_exit(1);  // defect
  }
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
