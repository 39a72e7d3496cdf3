// A wrong server: write's result is ignored; the second write to a client that has gone ends it.
// fails: 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.6.a_reset_while_it_writes_costs_only_that_client
// cause: go on behind|SIGPIPE

// #region step-4
bool write_all(int fd, const char* data, std::size_t size) {
  if (::write(fd, data, size) < 0) errno = 0;  // defect
  return true;
}
// #endregion step-4
