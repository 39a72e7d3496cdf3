// A wrong server: waitpid asks for process 1 (written 01) instead of any child; no child is ever
// reaped.
// fails: 2.2.a_child_that_ended_is_reaped_by_the_time_the_next_client_is_served,
// 2.2.children_that_ended_together_are_all_reaped, 2.2.reaping_does_not_wait_for_the_living,
// 2.4.no_zombie_is_left_at_idle, 2.4.no_zombie_is_left_when_many_clients_leave_at_once,
// 2.4.no_zombie_is_left_while_others_live,
// 2.4.a_thousand_children_in_quick_succession_lose_no_client
// cause: first argument is -1

// #region step-2
void reap_children() {
  const int error = errno;
  while (::waitpid(01, nullptr, WNOHANG) > 0) {  // defect
  }
  errno = error;
}
// #endregion step-2
