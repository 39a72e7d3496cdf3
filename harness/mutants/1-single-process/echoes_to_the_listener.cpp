// A wrong server: the listener is taken for the client, which is let go at once.
// fails: 1.3.a_single_byte_is_read_at_once, 1.3.a_signal_while_it_waits_for_bytes_does_no_harm,
// 1.4.every_byte_value_comes_back, 1.4.bytes_sent_one_by_one_come_back_one_by_one,
// 1.4.eight_mib_reach_a_client_that_reads_late,
// 1.4.a_signal_in_the_middle_of_a_write_loses_nothing,
// 1.5.after_a_half_close_everything_comes_back_then_the_end,
// 1.5.a_client_that_has_left_takes_no_processor_time, 1.6.a_second_client_gets_its_turn,
// 1.6.descriptors_do_not_pile_up, 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived,
// 1.6.sigterm_ends_it_at_idle, 1.6.sigterm_ends_it_while_it_serves
// cause: something else than the client

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(listener);  // defect
  }
}
// #endregion step-6
