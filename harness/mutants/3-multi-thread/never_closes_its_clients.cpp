// A wrong server: the descriptor of a client stays open when its thread ends.
// fails: 3.1.after_a_half_close_everything_comes_back_then_the_end, 3.1.a_signal_does_no_harm,
// 3.5.running_out_of_descriptors_is_survived, 3.5.a_reset_while_it_reads_costs_only_that_client,
// 3.5.a_reset_while_it_writes_costs_only_that_client
// cause: descriptor is never closed

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
  static_cast<void>(argument->client.release());  // defect
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
