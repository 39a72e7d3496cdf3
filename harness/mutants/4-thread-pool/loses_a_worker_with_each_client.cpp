// A wrong server: a worker ends with its first client.
// fails: 4.2.a_worker_goes_on_to_its_next_client, 4.2.a_worker_survives_its_clients_reset,
// 4.2.descriptors_do_not_pile_up, 4.3.one_client_too_many_waits_for_a_worker,
// 4.3.clients_are_served_in_the_order_of_their_arrival, 4.4.nobody_is_lost_when_many_come_at_once
// cause: a worker ends with its client

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  if (unique_fd client = queue.pop()) {  // defect
    registry.enter(client.get());
    echo_client(client.get());
    registry.leave(client.get());
  }
}
// #endregion step-2
