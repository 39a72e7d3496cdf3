// A wrong server: children are reaped in the order in which they were started; one that lives keeps
// all later ones zombies.
// fails: 2.2.reaping_does_not_wait_for_the_living, 2.4.no_zombie_is_left_while_others_live
// cause: while others live|

// #region step-1
namespace {
volatile pid_t started[4096];  // a ring
volatile unsigned oldest = 0, next = 0;
}

pid_t start_child(int listener, unique_fd client) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigaddset(&sigterm, SIGCHLD);
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
  if (child > 0) {
    started[next % 4096] = child;
    next = next + 1;
  }
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1

// #region step-2
void reap_children() {
  const int error = errno;
  while (oldest != next && ::waitpid(started[oldest % 4096], nullptr, WNOHANG) != 0) {
    oldest = oldest + 1;
  }
  errno = error;
}
// #endregion step-2
