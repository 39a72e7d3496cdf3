// A wrong server: a client's reset ends the process, and with it all threads.
// fails: 3.5.a_reset_costs_no_slot, 3.5.a_reset_while_it_reads_costs_only_that_client
// cause: a read that fails ends the whole server

// #region step-1
#include <cstdlib>

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
    if (count < 0) std::exit(1);  // defect
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
