// A wrong server: what the kernel did not take at once is never sent.
// fails: 1.4.a_signal_in_the_middle_of_a_write_loses_nothing
// cause: go on behind the bytes that write took

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  for (;;) {
    if (::send(fd, data, size, MSG_NOSIGNAL) >= 0) return true;  // defect
    if (errno != EINTR) return false;
  }
}
// #endregion step-4
