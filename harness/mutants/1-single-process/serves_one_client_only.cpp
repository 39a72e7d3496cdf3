// A wrong server: it ends when its first client has left.
// fails: 1.6.a_second_client_gets_its_turn, 1.6.descriptors_do_not_pile_up,
// 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived
// cause: ends, or stops accepting, after its first client

// #region step-6
int serve(int listener, const Options&) {
  const unique_fd client(accept_client(listener));
  echo_client(client.get());
  return 0;  // defect
}
// #endregion step-6
