// A wrong server: a zero is written behind the end of the buffer, where nobody notices it yet.
// fails: 4.4.nothing_is_read_or_written_out_of_bounds
// perhaps: 4.4.no_two_threads_meet_in_the_same_memory
// cause: beyond

// #region step-2
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    for (;;) {
      char data[16 * 1024];
      const ssize_t count = read_some(client.get(), data, sizeof data);
      if (count <= 0) break;
      const std::size_t size = (static_cast<std::size_t>(count) + 15) / 16 * 16;
      const std::unique_ptr<char[]> text(new char[size]);
      std::memcpy(text.get(), data, static_cast<std::size_t>(count));
      text[size] = '\0';  // defect
      if (!write_all(client.get(), text.get(), static_cast<std::size_t>(count))) break;
    }
    registry.leave(client.get());
  }
}
// #endregion step-2
