// A wrong server: when all slots are taken, the table grows.
// fails: 3.3.one_client_too_many_waits, 3.4.who_waits_is_served_when_another_leaves
// cause: the table is not looked at, or grows

// #region step-3
int SlotTable::take() {
  const std::scoped_lock lock(mutex_);
  if (closed_) return -1;
  const auto free = std::ranges::find(slots_, false, &Slot::taken);
  const auto slot = free - slots_.begin();
  if (free == slots_.end()) slots_.emplace_back();  // defect
  slots_[static_cast<std::size_t>(slot)].taken = true;
  return static_cast<int>(slot);
}

void SlotTable::occupy(int slot, int client) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = client;
  if (closed_) ::shutdown(client, SHUT_RD);
}
// #endregion step-3
