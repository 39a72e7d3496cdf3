// A wrong server: MSG_WAITALL; less than 16 KiB come back only when the client sends no more.
// fails: 1.4.every_byte_value_comes_back, 1.4.bytes_sent_one_by_one_come_back_one_by_one,
// 1.5.a_client_that_has_left_takes_no_processor_time, 1.6.a_second_client_gets_its_turn,
// 1.6.descriptors_do_not_pile_up, 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived,
// 1.6.sigterm_ends_it_at_idle, 1.6.sigterm_ends_it_while_it_serves
// cause: waits for more than there is

// #region step-3
ssize_t read_some(int fd, char* data, std::size_t size) {
  for (;;) {
    const ssize_t count = ::recv(fd, data, size, MSG_WAITALL);  // defect
    if (count >= 0 || errno != EINTR) return count;
  }
}
// #endregion step-3
