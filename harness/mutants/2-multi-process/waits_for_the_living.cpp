// A wrong server: the handler waits for children that still live, and nobody is accepted meanwhile.
// fails: 2.1.a_client_sees_the_end_when_its_process_is_killed,
// 2.2.reaping_does_not_wait_for_the_living, 2.4.no_zombie_is_left_while_others_live
// cause: WNOHANG

// #region step-2
void reap_children() {
  const int error = errno;
  while (::waitpid(-1, nullptr, 0) > 0) {  // defect
  }
  errno = error;
}
// #endregion step-2

// #region step-5
int serve(int listener, const Options&) {
  if (!install_sigchld_handler() || !install_stop_handler(listener)) return 1;
  std::vector<pid_t> children;
  for (;;) {
    unique_fd client(next_client(listener));
    const int error = errno;
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
  stop_children(children);
  return 0;
}
// #endregion step-5
