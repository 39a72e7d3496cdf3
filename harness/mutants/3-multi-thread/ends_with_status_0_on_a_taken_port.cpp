// A wrong server: it leaves with exit status 0, also when its port is taken.
// fails: 3.1.a_taken_port_is_said_and_ends_it
// cause: exit\(0\)

// #region step-5
#include <unistd.h>

#include <cstdlib>

namespace {
[[maybe_unused]] const int registered = std::atexit([] { ::_exit(0); });  // defect
}

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
