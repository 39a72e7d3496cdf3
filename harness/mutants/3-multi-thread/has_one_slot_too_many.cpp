// A wrong server: the search goes one slot beyond the end of the table.
// fails: 3.3.one_client_too_many_waits, 3.4.who_waits_is_served_when_another_leaves
// cause: the table is not looked at, or grows

// #region step-3
int SlotTable::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return -1;
    for (std::size_t slot = 0; slot <= slots_.size(); ++slot) {  // defect
      if (slots_[slot].taken) continue;
      slots_[slot].taken = true;
      return static_cast<int>(slot);
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
