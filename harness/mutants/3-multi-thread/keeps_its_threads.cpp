// A wrong server: a client's thread goes on for ever when its client has left.
// fails: 3.2.threads_end_with_their_clients, 3.2.stacks_do_not_pile_up
// cause: a thread goes on after its client has left

// #region step-1
#include <unistd.h>
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
  argument->client.reset();
  for (;;) ::pause();  // defect
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
