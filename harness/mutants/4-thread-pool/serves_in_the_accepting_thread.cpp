// A wrong server: whoever accepts serves the client, too; the pool has nothing to do.
// fails: 4.3.each_client_gets_its_own_bytes, 4.3.as_many_clients_as_workers_are_served_at_once,
// 4.3.clients_are_served_in_the_order_of_their_arrival,
// 4.3.one_client_too_many_waits_for_a_worker, 4.4.a_signal_does_no_harm,
// 4.4.waiting_for_room_takes_no_processor_time,
// 4.5.sigterm_ends_it_although_clients_do_not_read,
// 4.5.sigterm_ends_it_with_clients_in_the_queue, 4.5.sigterm_lets_clients_go_in_order
// cause: fewer clients are served at once than --threads says

// #region step-4
int serve(int listener, const Options& options) {
  ClientQueue queue(static_cast<std::size_t>(options.threads));
  ClientRegistry registry;
  Pool pool(queue, registry);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, queue, stop_thread)) return 1;
  if (!pool.start(options.threads)) return 1;
  for (;;) {
    unique_fd client(accept_client(listener));
    const int error = errno;
    if (client) {
      registry.enter(client.get());
      echo_client(client.get());  // defect
      registry.leave(client.get());
    } else if (queue.closed() || !survive_accept_failure(error)) {
      break;
    }
  }
  const int status = queue.closed() ? 0 : 1;

  queue.close();
  registry.shut_down(SHUT_RD);
  if (!pool.join_within(grace)) registry.shut_down(SHUT_RDWR);
  pool.join();
  end_stop_thread(stop_thread);
  return status;
}
// #endregion step-4
