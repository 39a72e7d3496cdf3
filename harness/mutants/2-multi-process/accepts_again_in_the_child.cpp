// A wrong server: a child whose client has left accepts the next one instead of ending.
// fails: 2.1.a_child_ends_when_its_client_has_left, 2.1.the_port_is_free_once_the_parent_is_gone,
// 2.2.children_that_ended_together_are_all_reaped,
// 2.4.no_zombie_is_left_when_many_clients_leave_at_once
// cause: the child goes on after its client has left

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
    do {
      echo_client(client.get());
      client.reset();
      client.reset(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));  // defect
    } while (client);
    ::_exit(0);
  }

  const int error = errno;
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
