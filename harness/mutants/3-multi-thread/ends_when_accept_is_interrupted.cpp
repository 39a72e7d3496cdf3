// A wrong server: a signal, which makes accept fail with EINTR, ends it.
// fails: 3.1.a_signal_does_no_harm
// cause: EINTR

// #region step-5
int serve(int listener, const Options& options) {
  SlotTable slots(options.slots);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, slots, stop_thread)) return 1;
  int status = 0;
  for (;;) {
    const int slot = slots.take();
    if (slot < 0) break;
    unique_fd client(::accept(listener, nullptr, nullptr));
    if (!client) {
      const int error = errno;
      slots.give_back(slot);
      if (slots.closed()) break;
      if (error != EINTR && survive_accept_failure(error)) continue;  // defect
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
