// A wrong server: what the kernel does not take at once is dropped.
// fails: 3.1.after_a_half_close_everything_comes_back_then_the_end,
// 3.1.each_client_gets_its_own_bytes, 3.1.eight_mib_reach_a_client_that_reads_late
// cause: the rest was dropped

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
    if (count <= 0) break;
    const auto size = static_cast<std::size_t>(count);
    ::send(argument->client.get(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);  // defect
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
