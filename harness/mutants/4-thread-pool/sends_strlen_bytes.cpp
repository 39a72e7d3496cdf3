// A wrong server: a worker takes what it has read for a C string, which ends at a zero byte.
// fails: 4.1.after_a_half_close_everything_comes_back_then_the_end,
// 4.1.eight_mib_reach_a_client_that_reads_late, 4.1.every_byte_value_comes_back,
// 4.3.each_client_gets_its_own_bytes
// cause: C string

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    char data[4097];
    ssize_t count;
    while ((count = read_some(client.get(), data, sizeof data - 1)) > 0) {
      data[count] = '\0';
      if (!write_all(client.get(), data, std::strlen(data))) break;  // defect
    }
    registry.leave(client.get());
  }
}
// #endregion step-2
