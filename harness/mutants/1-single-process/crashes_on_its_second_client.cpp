// A wrong server: what belongs to the first client is freed, and used for the second.
// fails: 1.6.a_second_client_gets_its_turn, 1.6.descriptors_do_not_pile_up,
// 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived
// cause: crashed

// #region step-6
int serve(int listener, const Options&) {
  int visits = 0;
  int* volatile visitors = &visits;
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    ++*visitors;  // defect
    echo_client(client.get());
    visitors = nullptr;
  }
}
// #endregion step-6
