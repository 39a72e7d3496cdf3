// A wrong server: when accept fails, the slot that was taken for that client stays taken.
// fails: 3.5.a_failed_accept_costs_no_slot
// cause: slot taken for that client is not given back

// #region step-5
int serve(int listener, const Options& options) {
  SlotTable slots(options.slots);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, slots, stop_thread)) return 1;
  int status = 0;
  for (;;) {
    const int slot = slots.take();
    if (slot < 0) break;
    unique_fd client(accept_client(listener));
    if (!client) {
      if (slots.closed()) {
        slots.give_back(slot);
        break;
      }
      if (survive_accept_failure(errno)) continue;  // defect
      status = 1;
      break;
    }
    if (!start_client(slots, slot, std::move(client))) slots.give_back(slot);
  }
  end_stop_thread(stop_thread);
  slots.wait_until_empty();
  return status;
}
// #endregion step-5
