// A wrong server: the listener is bound to every address, and not to the one of the command line.
// fails: 3.1.it_listens_where_it_was_told_to
// cause: INADDR_ANY

// #region step-5
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  sockaddr_in any = *reinterpret_cast<const sockaddr_in*>(address);
  any.sin_addr.s_addr = INADDR_ANY;  // defect
  return static_cast<int>(::syscall(SYS_bind, fd, &any, size));
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
