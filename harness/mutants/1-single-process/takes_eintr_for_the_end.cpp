// A wrong server: a signal while it waits for bytes drops the client.
// fails: 1.3.a_signal_while_it_waits_for_bytes_does_no_harm
// cause: EINTR is taken for the end

// #region step-3
ssize_t read_some(int fd, char* data, std::size_t size) { return ::read(fd, data, size); }  // defect
// #endregion step-3
