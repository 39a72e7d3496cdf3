// A wrong server: a plain write() to a client that has gone raises SIGPIPE, which ends all
// threads.
// fails: 3.5.a_reset_while_it_writes_costs_only_that_client,
// 3.6.sigterm_ends_it_although_clients_do_not_read
// cause: SIGPIPE

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
  char data[4096];
  for (ssize_t count = 1; count > 0;) {
    count = read_some(argument->client.get(), data, sizeof data);
    for (ssize_t sent = 0, now; sent < count; sent += now) {
      now = ::write(argument->client.get(), data + sent, static_cast<std::size_t>(count - sent));  // defect
      if (now < 0) count = now;
    }
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
