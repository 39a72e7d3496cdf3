// A wrong server: when pthread_create fails, it stops.
// fails: 3.5.a_failed_thread_costs_only_that_client, 3.5.a_failed_thread_leaves_nobody_waiting
// cause: must not end the server

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
      const int error = errno;
      slots.give_back(slot);
      if (slots.closed()) break;
      if (survive_accept_failure(error)) continue;
      status = 1;
      break;
    }
    if (!start_client(slots, slot, std::move(client))) {  // defect
      slots.give_back(slot);
      status = 1;
      break;
    }
  }
  end_stop_thread(stop_thread);
  slots.wait_until_empty();
  return status;
}
// #endregion step-5
