// A wrong server: a worker ends when its client is reset.
// fails: 4.2.a_worker_survives_its_clients_reset
// cause: a worker has died

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    char data[4096];
    ssize_t count;
    while ((count = read_some(client.get(), data, sizeof data)) > 0) {
      if (!write_all(client.get(), data, static_cast<std::size_t>(count))) break;
    }
    registry.leave(client.get());
    if (count < 0) return;  // defect
  }
}
// #endregion step-2
