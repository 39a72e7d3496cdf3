// A wrong server: SIGTERM is ignored.
// fails: 2.6.sigterm_ends_it_at_idle, 2.6.sigterm_leaves_no_process_behind
// cause: SIGTERM is ignored

// #region step-6
bool install_stop_handler(int) { return ::signal(SIGTERM, SIG_IGN) != SIG_ERR; }  // defect

void stop_children(const std::vector<pid_t>&) {}
// #endregion step-6
