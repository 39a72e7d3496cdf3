// A wrong server: read's 0 does not end the loop; it takes a core, and nobody else is served.
// fails: 1.5.after_a_half_close_everything_comes_back_then_the_end,
// 1.5.a_client_that_has_left_takes_no_processor_time, 1.6.a_second_client_gets_its_turn,
// 1.6.descriptors_do_not_pile_up, 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived
// cause: read returned 0 and was called again

// #region step-5
std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  std::uint64_t echoed = 0;
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data);
    if (count < 0) return echoed;  // defect
    if (!write_all(client, data, static_cast<std::size_t>(count))) return echoed;
    echoed += static_cast<std::uint64_t>(count);
  }
}
// #endregion step-5
