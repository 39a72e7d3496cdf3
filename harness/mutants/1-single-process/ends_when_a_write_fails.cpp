// A wrong server: a client that is gone counts as a failure of the server.
// fails: 1.6.a_reset_while_it_writes_costs_only_that_client
// cause: a write that fails

// #region step-4
#include <cstdio>
#include <cstdlib>

bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(fd, data, size, MSG_NOSIGNAL);
    if (count >= 0) {
      data += count;
      size -= static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      std::perror("write");
      std::exit(1);  // defect
    }
  }
  return true;
}
// #endregion step-4
