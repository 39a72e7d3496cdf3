// A wrong server: any failure of accept ends it.
// fails: 3.5.a_failed_accept_costs_no_slot, 3.5.running_out_of_descriptors_is_survived
// cause: ends the (whole )?server|call accept again

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
      slots.give_back(slot);
      status = slots.closed() ? 0 : 1;  // defect
      break;
    }
    if (!start_client(slots, slot, std::move(client))) slots.give_back(slot);
  }
  end_stop_thread(stop_thread);
  slots.wait_until_empty();
  return status;
}
// #endregion step-5
