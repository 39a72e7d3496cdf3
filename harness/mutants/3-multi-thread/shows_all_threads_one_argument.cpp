// A wrong server: all threads are given the address of one variable; who looks at it late finds
// the next client there.
// fails: 3.4.no_two_threads_meet_in_the_same_memory
// cause: take the mutex

// #region step-1
namespace {

struct ClientArgument {
  SlotTable* slots;
  int slot;
  int client;
};

void* serve_client(void* pointer) {
  const ClientArgument argument = *static_cast<ClientArgument*>(pointer);
  const unique_fd client(argument.client);
  argument.slots->occupy(argument.slot, client.get());
  echo_client(client.get());
  argument.slots->give_back(argument.slot);
  return nullptr;
}

}  // namespace

bool start_client(SlotTable& slots, int slot, unique_fd client) {
  static ClientArgument argument;
  argument = {&slots, slot, client.get()};  // defect
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, serve_client, &argument);
  if (error != 0) {
    errno = error;
    return false;
  }
  static_cast<void>(client.release());
  release_thread(thread);
  return true;
}
// #endregion step-1
