// A wrong server: SIGCHLD has no handler; children that ended are zombies until the next client
// comes.
// fails: 2.4.no_zombie_is_left_at_idle, 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.no_zombie_is_left_while_others_live,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: SIGCHLD says when a child has ended

// #region step-4
bool install_sigchld_handler() { return true; }  // defect
// #endregion step-4
