// A wrong server: after SIGTERM the workers wait until their clients leave by themselves.
// fails: 4.5.sigterm_ends_it_although_clients_do_not_read,
// 4.5.sigterm_ends_it_with_clients_in_the_queue, 4.5.sigterm_lets_clients_go_in_order
// cause: a thread sleeps in read

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
      queue.push(std::move(client));
    } else if (queue.closed() || !survive_accept_failure(error)) {
      break;
    }
  }
  const int status = queue.closed() ? 0 : 1;

  queue.close();
  pool.join();  // defect
  end_stop_thread(stop_thread);
  return status;
}
// #endregion step-4
