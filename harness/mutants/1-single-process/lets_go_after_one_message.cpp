// A wrong server: it closes after the first answer; a client with more to say is cut off.
// fails: 1.4.bytes_sent_one_by_one_come_back_one_by_one,
// 1.4.eight_mib_reach_a_client_that_reads_late,
// 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.5.after_a_half_close_everything_comes_back_then_the_end
// cause: lets the client go after its first

// #region step-5
std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  const ssize_t count = read_some(client, data, sizeof data);  // defect
  if (count > 0) write_all(client, data, static_cast<std::size_t>(count));
  return 0;
}
// #endregion step-5
