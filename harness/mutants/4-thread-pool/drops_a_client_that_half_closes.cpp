// A wrong server: POLLRDHUP counts as the loss of the client; what it still waits for is not sent.
// fails: 4.1.after_a_half_close_everything_comes_back_then_the_end
// cause: let go

// #region step-2
#include <poll.h>

void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    char data[4096];
    for (;;) {
      pollfd wait{client.get(), POLLIN | POLLRDHUP, 0};
      ::poll(&wait, 1, -1);
      if (wait.revents & POLLRDHUP) break;  // defect
      const ssize_t count = read_some(client.get(), data, sizeof data);
      if (count <= 0) break;
      if (!write_all(client.get(), data, static_cast<std::size_t>(count))) break;
    }
    registry.leave(client.get());
  }
}
// #endregion step-2
