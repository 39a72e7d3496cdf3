// A wrong server: a client's slot is free again as soon as its thread has begun.
// fails: 3.3.one_client_too_many_waits, 3.4.who_waits_is_served_when_another_leaves
// cause: the table is not looked at, or grows

// #region step-1
namespace {

struct ClientArgument {
  SlotTable& slots;
  int slot;
  unique_fd client;
};

void* serve_client(void* pointer) {
  const std::unique_ptr<ClientArgument> argument(static_cast<ClientArgument*>(pointer));
  argument->slots.give_back(argument->slot);  // defect
  echo_client(argument->client.get());
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
