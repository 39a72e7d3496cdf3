// A wrong server: a slot is given back without the mutex, while others look at the table.
// fails: 3.4.no_two_threads_meet_in_the_same_memory
// cause: take the mutex

// #region step-4
void SlotTable::give_back(int slot) {
  slots_[static_cast<std::size_t>(slot)] = Slot();  // defect
  changed_.notify_one();
}
// #endregion step-4
