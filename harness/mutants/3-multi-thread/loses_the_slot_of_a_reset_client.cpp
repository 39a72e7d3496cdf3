// A wrong server: a slot is given back after an end of file, but not when the connection has
// failed.
// fails: 3.5.a_reset_costs_no_slot, 3.6.sigterm_ends_it_although_clients_do_not_read
// cause: slot

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
  char data[4096];
  for (;;) {
    const ssize_t count = read_some(argument->client.get(), data, sizeof data);
    if (count == 0) break;
    if (count < 0) return nullptr;  // defect
    if (!write_all(argument->client.get(), data, static_cast<std::size_t>(count))) return nullptr;
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
