// A wrong server: a worker is started when a client comes, until there are as many as --threads
// says.
// fails: 4.3.the_number_of_threads_stays_the_same
// cause: starts all its workers at once

// #region step-4
int serve(int listener, const Options& options) {
  ClientQueue queue(static_cast<std::size_t>(options.threads));
  ClientRegistry registry;
  Pool pool(queue, registry);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, queue, stop_thread)) return 1;
  int workers = 0;
  for (;;) {
    unique_fd client(accept_client(listener));
    const int error = errno;
    if (client) {
      queue.push(std::move(client));
      if (workers < options.threads) pool.start(++workers);  // defect
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
