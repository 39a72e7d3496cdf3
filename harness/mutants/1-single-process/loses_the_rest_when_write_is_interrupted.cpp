// A wrong server: EINTR in write counts as success; the rest is never sent.
// fails: 1.4.a_signal_in_the_middle_of_a_write_loses_nothing
// cause: again after EINTR

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(fd, data, size, MSG_NOSIGNAL);  // defect
    if (count >= 0) {
      data += count;
      size -= static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      return false;
    } else {
      return true;
    }
  }
  return true;
}
// #endregion step-4
