// A wrong server: the client's thread has no way out of its loop: after the end of file it spins.
// fails: 3.1.a_signal_does_no_harm, 3.1.after_a_half_close_everything_comes_back_then_the_end,
// 3.2.stacks_do_not_pile_up, 3.2.threads_end_with_their_clients,
// 3.4.nobody_is_lost_when_twice_as_many_come_at_once, 3.4.slots_are_used_again_and_again,
// 3.4.who_waits_is_served_when_another_leaves, 3.5.a_failed_accept_costs_no_slot,
// 3.5.a_failed_thread_costs_only_that_client, 3.5.a_reset_costs_no_slot,
// 3.5.a_reset_while_it_reads_costs_only_that_client,
// 3.5.a_reset_while_it_writes_costs_only_that_client,
// 3.5.running_out_of_descriptors_is_survived, 3.6.sigterm_ends_it_although_clients_do_not_read,
// 3.6.sigterm_ends_it_at_idle_with_status_0, 3.6.sigterm_ends_it_while_it_waits_for_a_slot,
// 3.6.sigterm_lets_clients_go_in_order
// cause: read returned 0 and was called again

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
  for (;;) echo_client(argument->client.get());  // defect
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
