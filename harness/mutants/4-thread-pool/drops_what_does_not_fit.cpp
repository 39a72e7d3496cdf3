// A wrong server: what the kernel does not take at once is dropped.
// fails: 4.1.after_a_half_close_everything_comes_back_then_the_end,
// 4.1.eight_mib_reach_a_client_that_reads_late, 4.3.each_client_gets_its_own_bytes
// cause: the rest was dropped

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    char data[4096];
    ssize_t count;
    while ((count = read_some(client.get(), data, sizeof data)) > 0) {
      ::send(client.get(), data, static_cast<std::size_t>(count), MSG_NOSIGNAL | MSG_DONTWAIT);  // defect
    }
    registry.leave(client.get());
  }
}
// #endregion step-2
