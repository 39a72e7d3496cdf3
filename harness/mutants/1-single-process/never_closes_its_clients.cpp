// A wrong server: the descriptor is not closed; the client waits for its end of file, and it leaks.
// fails: 1.5.after_a_half_close_everything_comes_back_then_the_end, 1.6.descriptors_do_not_pile_up,
// 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived
// cause: never closed

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const int client = accept_client(listener);
    if (client < 0) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(client);  // defect
  }
}
// #endregion step-6
