// A wrong server: a slot is given back, but who waits for one is not woken.
// fails: 3.4.nobody_is_lost_when_twice_as_many_come_at_once,
// 3.4.who_waits_is_served_when_another_leaves, 3.5.a_failed_accept_costs_no_slot,
// 3.5.a_failed_thread_costs_only_that_client, 3.5.a_reset_costs_no_slot
// cause: nobody is woken

// #region step-4
void SlotTable::give_back(int slot) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)] = Slot();  // defect
}
// #endregion step-4
