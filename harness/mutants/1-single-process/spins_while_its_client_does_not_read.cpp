// A wrong server: write does not block; it is tried again without a pause, and takes a core.
// fails: 1.4.waiting_for_a_client_that_does_not_read_takes_no_processor_time
// cause: a loop runs on where it should block

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);  // defect
    if (count >= 0) {
      data += count;
      size -= static_cast<std::size_t>(count);
    } else if (errno != EINTR && errno != EAGAIN) {
      return false;
    }
  }
  return true;
}
// #endregion step-4
