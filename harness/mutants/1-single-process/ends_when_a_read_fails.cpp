// A wrong server: a reset while it reads counts as a failure of the server.
// fails: 1.6.a_reset_while_it_reads_costs_only_that_client
// cause: a read that fails

// #region step-3
#include <cstdio>
#include <cstdlib>
ssize_t read_some(int fd, char* data, std::size_t size) {
  for (;;) {
    const ssize_t count = ::read(fd, data, size);
    if (count >= 0) return count;
    if (errno != EINTR) {
      std::perror("read");
      std::exit(1);  // defect
    }
  }
}
// #endregion step-3
