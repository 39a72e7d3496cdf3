// A wrong server: a slot that has been taken stays taken.
// fails: 3.4.nobody_is_lost_when_twice_as_many_come_at_once,
// 3.4.slots_are_used_again_and_again, 3.4.who_waits_is_served_when_another_leaves,
// 3.5.a_failed_accept_costs_no_slot, 3.5.a_failed_thread_costs_only_that_client,
// 3.5.a_reset_costs_no_slot, 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_at_idle_with_status_0, 3.6.sigterm_ends_it_while_it_waits_for_a_slot,
// 3.6.sigterm_lets_clients_go_in_order
// cause: slot is not given back

// #region step-4
void SlotTable::give_back(int slot) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = -1;  // defect
  changed_.notify_one();
}
// #endregion step-4
