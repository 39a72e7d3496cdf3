// A wrong server: setsockopt does nothing, so that the listener lacks SO_REUSEADDR.
// fails: 3.1.it_starts_again_at_once_on_the_port_it_just_used
// cause: SO_REUSEADDR

// #region step-5
extern "C" int setsockopt(int, int, int, const void*, socklen_t) noexcept { return 0; }

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
    if (!start_client(slots, slot, std::move(client))) slots.give_back(slot);
  }
  end_stop_thread(stop_thread);
  slots.wait_until_empty();
  return status;
}
// #endregion step-5
