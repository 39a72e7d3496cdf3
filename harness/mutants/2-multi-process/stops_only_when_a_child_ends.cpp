// A wrong server: SIGTERM sets a flag and restarts accept; the flag is seen when something else
// wakes the server.
// fails: 2.6.sigterm_ends_it_at_idle
// cause: flag that nobody looks at while accept is blocked

// #region step-6
bool install_stop_handler(int) {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = 1; };
  action.sa_flags = SA_RESTART;  // defect
  return ::sigaction(SIGTERM, &action, nullptr) == 0;
}

void stop_children(const std::vector<pid_t>& children) {
  for (const pid_t child : children) ::kill(child, SIGTERM);
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
}
// #endregion step-6
