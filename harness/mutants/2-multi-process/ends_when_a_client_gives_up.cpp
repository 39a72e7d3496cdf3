// A wrong server: accept that fails with ECONNABORTED ends the whole server.
// fails: 2.5.a_client_that_gave_up_early_is_survived
// cause: one client's|failure that passes

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
      if (error == ECONNABORTED || !survive_accept_failure(error)) return 1;  // defect
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
