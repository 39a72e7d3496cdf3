// A wrong server: it looks for a slot again and again, without a rest.
// fails: 3.3.waiting_for_a_slot_takes_no_processor_time
// cause: a loop runs on where it should block

// #region step-3
#include <sched.h>

int SlotTable::take() {
  for (;; ::sched_yield()) {  // defect
    const std::scoped_lock lock(mutex_);
    if (closed_) return -1;
    const auto free = std::ranges::find(slots_, false, &Slot::taken);
    if (free == slots_.end()) continue;
    free->taken = true;
    return static_cast<int>(free - slots_.begin());
  }
}

void SlotTable::occupy(int slot, int client) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = client;
  if (closed_) ::shutdown(client, SHUT_RD);
}
// #endregion step-3
