// A wrong server: the handler sets a flag that is looked at after the next accept; until then
// children that ended are zombies.
// fails: 2.4.no_zombie_is_left_at_idle, 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.no_zombie_is_left_while_others_live,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: nobody reaps while the parent is blocked

// #region step-4
namespace {
volatile std::sig_atomic_t ended = 0;
}

bool install_sigchld_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) { ended = 1; };
  action.sa_flags = SA_NOCLDSTOP;
  return ::sigaction(SIGCHLD, &action, nullptr) == 0;  // defect
}
// #endregion step-4

// #region step-5
int serve(int listener, const Options&) {
  if (!install_sigchld_handler() || !install_stop_handler(listener)) return 1;
  std::vector<pid_t> children;
  for (;;) {
    unique_fd client(next_client(listener));
    const int error = errno;
    if (ended) {
      ended = 0;
      reap_children();
    }
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
