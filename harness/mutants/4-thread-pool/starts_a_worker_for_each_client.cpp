// A wrong server: with each client one more worker is started, and none ever ends.
// fails: 4.3.one_client_too_many_waits_for_a_worker,
// 4.3.clients_are_served_in_the_order_of_their_arrival, 4.3.the_number_of_threads_stays_the_same,
// 4.4.nobody_is_lost_when_many_come_at_once
// cause: more workers than --threads says

// #region step-4
int serve(int listener, const Options& options) {
  ClientQueue queue(static_cast<std::size_t>(options.threads));
  ClientRegistry registry;
  Pool pool(queue, registry);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, queue, stop_thread)) return 1;
  int clients = 0;
  for (;;) {
    unique_fd client(accept_client(listener));
    const int error = errno;
    if (client) {
      queue.push(std::move(client));
      pool.start(++clients);  // defect
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
