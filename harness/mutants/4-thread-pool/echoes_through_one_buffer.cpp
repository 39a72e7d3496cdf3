// A wrong server: all workers share one buffer, so that one client gets another's bytes.
// fails: 4.3.each_client_gets_its_own_bytes
// cause: share

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    static char data[16 * 1024];  // defect
    ssize_t count;
    while ((count = read_some(client.get(), data, sizeof data)) > 0) {
      if (!write_all(client.get(), data, static_cast<std::size_t>(count))) break;
    }
    registry.leave(client.get());
  }
}
// #endregion step-2
