// A wrong server: SIGCHLD restarts accept, but any other signal ends the server.
// fails: 2.3.a_signal_while_it_waits_for_clients_does_no_harm,
// 2.4.the_handler_leaves_errno_as_it_was
// cause: EINTR|nobody listens any more

// #region step-3
int next_client(int listener) { return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); }  // defect
// #endregion step-3

// #region step-4
bool install_sigchld_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) { reap_children(); };
  action.sa_flags = SA_NOCLDSTOP | SA_RESTART;
  return ::sigaction(SIGCHLD, &action, nullptr) == 0;
}
// #endregion step-4

// #region step-5
int serve(int listener, const Options&) {
  if (!install_sigchld_handler() || !install_stop_handler(listener)) return 1;
  std::vector<pid_t> children;
  for (;;) {
    unique_fd client(next_client(listener));
    const int error = errno;
    reap_children();
    if (stop_requested) break;
    if (!client) {
      if (error == EINTR || !survive_accept_failure(error)) return 1;
      continue;
    }
    const pid_t child = start_child(listener, std::move(client));
    if (child < 0) std::perror("fork");
    std::erase_if(children, [](pid_t pid) { return ::kill(pid, 0) != 0; });
    if (child > 0) children.push_back(child);
  }
  stop_children(children);
  return 0;
}
// #endregion step-5
