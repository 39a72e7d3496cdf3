// A wrong server: all threads are given the address of one variable; who looks at it late finds
// the next client there.
// fails: 3.4.no_two_threads_meet_in_the_same_memory
// perhaps: 3.1.a_silent_client_holds_nobody_up, 3.1.all_clients_are_served_by_one_process,
// 3.1.each_client_gets_its_own_bytes, 3.1.sixty_four_clients_at_once_each_get_their_own_bytes,
// 3.2.stacks_do_not_pile_up, 3.2.threads_end_with_their_clients,
// 3.3.one_client_too_many_waits, 3.3.waiting_for_a_slot_takes_no_processor_time,
// 3.4.nobody_is_lost_when_twice_as_many_come_at_once,
// 3.4.nothing_is_read_or_written_out_of_bounds, 3.4.slots_are_used_again_and_again,
// 3.4.who_waits_is_served_when_another_leaves, 3.6.sigterm_ends_it_while_it_waits_for_a_slot,
// 3.6.sigterm_lets_clients_go_in_order, 3.6.sigterm_ends_it_although_clients_do_not_read
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
