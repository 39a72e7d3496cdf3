// A wrong server: SO_LINGER 0; instead of an end of file the client gets a reset.
// fails: 1.5.after_a_half_close_everything_comes_back_then_the_end,
// 1.6.a_reset_while_it_reads_costs_only_that_client,
// 1.6.a_reset_while_it_writes_costs_only_that_client, 1.6.running_out_of_descriptors_is_survived
// cause: let go before all of it has come back.*reset

// #region step-6
int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    echo_client(client.get());
    const linger abort{1, 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);  // defect
  }
}
// #endregion step-6
