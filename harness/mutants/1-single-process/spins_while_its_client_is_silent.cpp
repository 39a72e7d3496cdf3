// A wrong server: read does not block; it is asked again without a pause, and takes a core.
// fails: 1.3.waiting_for_bytes_takes_no_processor_time
// cause: a loop runs on where it should block

// #region step-3
ssize_t read_some(int fd, char* data, std::size_t size) {
  for (;;) {
    const ssize_t count = ::recv(fd, data, size, MSG_DONTWAIT);  // defect
    if (count >= 0 || (errno != EINTR && errno != EAGAIN)) return count;
  }
}
// #endregion step-3
