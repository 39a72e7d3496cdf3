// A wrong server: the descriptor of a client stays open when its worker goes on to the next.
// fails: 4.1.after_a_half_close_everything_comes_back_then_the_end,
// 4.2.a_reset_while_it_writes_costs_only_that_client, 4.2.descriptors_do_not_pile_up,
// 4.2.waiting_for_clients_takes_no_processor_time, 4.4.a_signal_does_no_harm,
// 4.4.running_out_of_descriptors_is_survived
// cause: descriptor is never closed

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    echo_client(client.get());
    registry.leave(client.get());
    static_cast<void>(client.release());  // defect
  }
}
// #endregion step-2
