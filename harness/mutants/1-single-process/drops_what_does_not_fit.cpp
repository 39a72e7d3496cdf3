// A wrong server: it writes without blocking, and drops what finds no room.
// fails: 1.4.eight_mib_reach_a_client_that_reads_late,
//   1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
//   1.5.after_a_half_close_everything_comes_back_then_the_end
// cause: the rest was dropped|part of the data was lost

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  return ::send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN;  // defect
}
// #endregion step-4
