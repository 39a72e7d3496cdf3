// A wrong server: SA_RESETHAND takes the handler away when it has run once; later children stay
// zombies until a client comes.
// fails: 2.4.no_zombie_is_left_at_idle, 2.4.no_zombie_is_left_while_others_live,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: SA_RESETHAND|handler

// #region step-4
bool install_sigchld_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) { reap_children(); };
  action.sa_flags = SA_NOCLDSTOP | static_cast<int>(SA_RESETHAND);  // defect
  return ::sigaction(SIGCHLD, &action, nullptr) == 0;
}
// #endregion step-4
