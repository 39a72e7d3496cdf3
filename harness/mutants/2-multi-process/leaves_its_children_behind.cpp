// A wrong server: SIGTERM ends the parent only; its children live on.
// fails: 2.6.sigterm_leaves_no_process_behind
// cause: the parent ends and its children live on

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
      if (!survive_accept_failure(error)) return 1;
      continue;
    }
    const pid_t child = start_child(listener, std::move(client));
    if (child < 0) std::perror("fork");
    std::erase_if(children, [](pid_t pid) { return ::kill(pid, 0) != 0; });
    if (child > 0) children.push_back(child);
  }
  return 0;  // defect
}
// #endregion step-5
