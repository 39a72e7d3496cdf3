// A wrong server: all clients share one buffer, so that one gets another's bytes.
// fails: 3.1.each_client_gets_its_own_bytes
// perhaps: 3.1.sixty_four_clients_at_once_each_get_their_own_bytes
// cause: share

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
  static char data[16 * 1024];  // defect
  for (;;) {
    const ssize_t count = read_some(argument->client.get(), data, sizeof data);
    if (count <= 0) break;
    if (!write_all(argument->client.get(), data, static_cast<std::size_t>(count))) break;
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
