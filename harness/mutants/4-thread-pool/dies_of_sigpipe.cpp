// A wrong server: a plain write() to a client that has gone raises SIGPIPE, which ends all
// threads.
// fails: 4.2.a_reset_while_it_writes_costs_only_that_client,
// 4.5.sigterm_ends_it_although_clients_do_not_read
// cause: SIGPIPE

// #region step-2
#include <unistd.h>

void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    char data[4096];
    for (ssize_t count = 1; count > 0;) {
      count = read_some(client.get(), data, sizeof data);
      for (ssize_t sent = 0, now; sent < count; sent += now) {
        now = ::write(client.get(), data + sent, static_cast<std::size_t>(count - sent));  // defect
        if (now < 0) count = now;
      }
    }
    registry.leave(client.get());
  }
}
// #endregion step-2
