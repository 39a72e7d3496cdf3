// A wrong server: a short write is repeated from the start; part of it arrives twice.
// fails: 1.4.a_signal_in_the_middle_of_a_write_loses_nothing
// cause: go on behind the bytes that write took

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  for (;;) {
    const ssize_t count = ::send(fd, data, size, MSG_NOSIGNAL);  // defect
    if (count == static_cast<ssize_t>(size)) return true;
    if (count < 0 && errno != EINTR) return false;
  }
}
// #endregion step-4
