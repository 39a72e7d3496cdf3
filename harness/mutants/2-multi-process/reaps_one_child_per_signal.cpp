// A wrong server: a signal reaps one child, however many have ended; the rest stay zombies.
// fails: 2.2.children_that_ended_together_are_all_reaped,
// 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: call it again until it finds none

// #region step-2
void reap_children() {
  const int error = errno;
  if (::waitpid(-1, nullptr, WNOHANG) <= 0) errno = 0;  // defect
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
