// A wrong server: the client for whom fork failed stays open; it waits for ever.
// fails: 2.5.a_failed_fork_leaves_nobody_waiting
// cause: descriptor of the client is not closed

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
    [[maybe_unused]] const int leaked = client.release();  // defect
  }
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
