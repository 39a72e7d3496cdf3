// A wrong server: between its look at the table and its sleep a slot may become free; that wake-up
// is lost.
// fails: ?
// cause: wake-up is lost

// #region step-3
int SlotTable::take() {
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return -1;
      const auto free = std::ranges::find(slots_, false, &Slot::taken);
      if (free != slots_.end()) {
        free->taken = true;
        return static_cast<int>(free - slots_.begin());
      }
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock);  // defect
  }
}

void SlotTable::occupy(int slot, int client) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = client;
  if (closed_) ::shutdown(client, SHUT_RD);
}
// #endregion step-3
