// A wrong server: it counts what is left, but goes on from the start of the buffer.
// fails: 1.4.a_signal_in_the_middle_of_a_write_loses_nothing
// cause: go on behind the bytes that write took

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(fd, data, size, MSG_NOSIGNAL);  // defect
    if (count >= 0) {
      size -= static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}
// #endregion step-4
