// A wrong server: a zero is written behind the end of the buffer, where nobody notices it yet.
// fails: 3.4.nothing_is_read_or_written_out_of_bounds
// perhaps: 3.4.no_two_threads_meet_in_the_same_memory
// cause: beyond

// #region step-1
namespace {

struct ClientArgument {
  SlotTable& slots;
  int slot;
  unique_fd client;
};

void* serve_client(void* pointer) {
  const std::unique_ptr<ClientArgument> argument(static_cast<ClientArgument*>(pointer));
  argument->slots.occupy(argument->slot, argument->client.get());
  for (;;) {
    char data[16 * 1024];
    const ssize_t count = read_some(argument->client.get(), data, sizeof data);
    if (count <= 0) break;
    const std::size_t size = (static_cast<std::size_t>(count) + 15) / 16 * 16;
    const std::unique_ptr<char[]> text(new char[size]);
    std::memcpy(text.get(), data, static_cast<std::size_t>(count));
    text[size] = '\0';  // defect
    if (!write_all(argument->client.get(), text.get(), static_cast<std::size_t>(count))) break;
  }
  argument->slots.give_back(argument->slot);
  return nullptr;
}

}  // namespace

bool start_client(SlotTable& slots, int slot, unique_fd client) {
  std::unique_ptr<ClientArgument> argument(new ClientArgument{slots, slot, std::move(client)});
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, serve_client, argument.get());
  if (error != 0) {
    argument.reset();
    errno = error;
    return false;
  }
  static_cast<void>(argument.release());
  release_thread(thread);
  return true;
}
// #endregion step-1
