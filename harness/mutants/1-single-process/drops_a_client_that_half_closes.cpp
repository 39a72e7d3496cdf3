// A wrong server: POLLRDHUP counts as the loss of the client; what it still waits for is not sent.
// fails: 1.5.after_a_half_close_everything_comes_back_then_the_end
// cause: let go before all of it

// #region step-5
#include <poll.h>

std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  std::uint64_t echoed = 0;
  for (;;) {
    pollfd wait{client, POLLIN | POLLRDHUP, 0};
    ::poll(&wait, 1, -1);
    if (wait.revents & POLLRDHUP) return echoed;  // defect
    const ssize_t count = read_some(client, data, sizeof data);
    if (count <= 0) return echoed;
    if (!write_all(client, data, static_cast<std::size_t>(count))) return echoed;
    echoed += static_cast<std::uint64_t>(count);
  }
}
// #endregion step-5
