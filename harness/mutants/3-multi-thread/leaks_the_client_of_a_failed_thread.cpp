// A wrong server: when pthread_create fails, the client stays connected, and nobody serves it.
// fails: 3.5.a_failed_thread_leaves_nobody_waiting
// cause: not closed when its process or thread cannot be made

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
  echo_client(argument->client.get());
  argument->slots.give_back(argument->slot);
  return nullptr;
}

}  // namespace

bool start_client(SlotTable& slots, int slot, unique_fd client) {
  std::unique_ptr<ClientArgument> argument(new ClientArgument{slots, slot, std::move(client)});
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, serve_client, argument.get());
  if (error != 0) {
    static_cast<void>(argument.release());  // defect
    errno = error;
    return false;
  }
  static_cast<void>(argument.release());
  release_thread(thread);
  return true;
}
// #endregion step-1
