// A wrong server: the length of the table is taken for twice what it is.
// fails: 3.3.one_client_too_many_waits, 3.4.who_waits_is_served_when_another_leaves
// cause: the table is not looked at, or grows

// #region step-3
int SlotTable::take() {
  std::unique_lock lock(mutex_);
  static const std::size_t twice = 2 * slots_.size();
  slots_.resize(twice);  // defect
  for (;;) {
    if (closed_) return -1;
    const auto free = std::ranges::find(slots_, false, &Slot::taken);
    if (free != slots_.end()) {
      free->taken = true;
      return static_cast<int>(free - slots_.begin());
    }
    changed_.wait(lock);
  }
}

void SlotTable::occupy(int slot, int client) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = client;
  if (closed_) ::shutdown(client, SHUT_RD);
}
// #endregion step-3
