// A wrong server: when all slots are taken, it stops.
// fails: 3.3.one_client_too_many_waits, 3.3.waiting_for_a_slot_takes_no_processor_time,
// 3.4.nobody_is_lost_when_twice_as_many_come_at_once,
// 3.4.who_waits_is_served_when_another_leaves, 3.5.a_failed_accept_costs_no_slot,
// 3.5.a_failed_thread_costs_only_that_client, 3.5.a_reset_costs_no_slot,
// 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_while_it_waits_for_a_slot
// cause: lost when all slots were taken

// #region step-3
int SlotTable::take() {
  const std::scoped_lock lock(mutex_);
  const auto free = std::ranges::find(slots_, false, &Slot::taken);
  if (closed_ || free == slots_.end()) return -1;  // defect
  free->taken = true;
  return static_cast<int>(free - slots_.begin());
}

void SlotTable::occupy(int slot, int client) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = client;
  if (closed_) ::shutdown(client, SHUT_RD);
}
// #endregion step-3
