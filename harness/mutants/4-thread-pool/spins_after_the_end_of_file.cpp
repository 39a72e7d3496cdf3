// A wrong server: a worker does not notice the end of file: it spins.
// fails: 4.1.after_a_half_close_everything_comes_back_then_the_end,
// 4.2.a_reset_while_it_writes_costs_only_that_client, 4.2.a_worker_goes_on_to_its_next_client,
// 4.2.a_worker_survives_its_clients_reset, 4.2.descriptors_do_not_pile_up,
// 4.2.waiting_for_clients_takes_no_processor_time,
// 4.3.clients_are_served_in_the_order_of_their_arrival,
// 4.3.one_client_too_many_waits_for_a_worker, 4.4.a_signal_does_no_harm,
// 4.4.nobody_is_lost_when_many_come_at_once, 4.4.running_out_of_descriptors_is_survived,
// 4.5.sigterm_ends_it_although_clients_do_not_read, 4.5.sigterm_ends_it_at_idle_with_status_0,
// 4.5.sigterm_ends_it_with_clients_in_the_queue, 4.5.sigterm_lets_clients_go_in_order
// cause: read returned 0 and was called again

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    for (;;) echo_client(client.get());  // defect
    registry.leave(client.get());
  }
}
// #endregion step-2
