// A wrong server: only the child that was started last is reaped; the others stay zombies.
// fails: 2.2.children_that_ended_together_are_all_reaped,
// 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: until it finds none that ended|reap

// #region step-1
namespace {
volatile pid_t last_child = -1;
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
  if (child > 0) last_child = child;
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1

// #region step-2
void reap_children() {
  const int error = errno;
  if (last_child > 0 && ::waitpid(last_child, nullptr, WNOHANG) > 0) last_child = -1;  // defect
  errno = error;
}
// #endregion step-2
