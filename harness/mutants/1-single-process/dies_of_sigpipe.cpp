// A wrong server: a plain write to a client that has gone raises SIGPIPE, which ends the server.
// fails: 1.6.a_reset_while_it_writes_costs_only_that_client
// cause: SIGPIPE

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(fd, data, size);  // defect
    if (count >= 0) {
      data += count;
      size -= static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}
// #endregion step-4
