// A wrong server: a client's thread forks, and the child serves.
// fails: 3.1.all_clients_are_served_by_one_process
// cause: by threads, not by processes

// #region step-1
#include <sys/wait.h>
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
  const pid_t child = ::fork();  // defect
  if (child == 0) {
    echo_client(argument->client.get());
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
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
