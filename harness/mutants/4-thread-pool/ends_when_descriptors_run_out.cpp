// A wrong server: EMFILE ends it, although descriptors may be had again at any moment.
// fails: 4.4.running_out_of_descriptors_is_survived
// cause: a failure of accept ends the whole server

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
    } else if (queue.closed() || error == EMFILE || !survive_accept_failure(error)) {  // defect
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
