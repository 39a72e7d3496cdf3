// A wrong server: a worker that waits for a client keeps the mutex, so that none can come.
// fails: 4.1.every_byte_value_comes_back, 4.1.eight_mib_reach_a_client_that_reads_late,
// 4.1.after_a_half_close_everything_comes_back_then_the_end,
// 4.2.a_worker_goes_on_to_its_next_client, 4.2.a_worker_survives_its_clients_reset,
// 4.2.a_reset_while_it_writes_costs_only_that_client, 4.2.descriptors_do_not_pile_up,
// 4.2.waiting_for_clients_takes_no_processor_time,
// 4.3.as_many_clients_as_workers_are_served_at_once, 4.3.one_client_too_many_waits_for_a_worker,
// 4.3.clients_are_served_in_the_order_of_their_arrival, 4.3.the_number_of_threads_stays_the_same,
// 4.4.nobody_is_lost_when_many_come_at_once, 4.4.running_out_of_descriptors_is_survived,
// 4.4.a_client_that_gave_up_early_is_survived, 4.5.sigterm_ends_it_at_idle_with_status_0,
// 4.5.sigterm_lets_clients_go_in_order, 4.5.sigterm_ends_it_with_clients_in_the_queue,
// 4.3.each_client_gets_its_own_bytes, 4.4.a_signal_does_no_harm,
// 4.4.waiting_for_room_takes_no_processor_time,
// 4.5.sigterm_ends_it_although_clients_do_not_read
// cause: nobody (serves|reads)

// #region step-1
#include <poll.h>

bool ClientQueue::push(unique_fd client) {
  std::unique_lock lock(mutex_);
  not_full_.wait(lock, [this] { return closed_ || clients_.size() < capacity_; });
  if (closed_) return false;
  clients_.push_back(std::move(client));
  not_empty_.notify_one();
  return true;
}

unique_fd ClientQueue::pop() {
  std::unique_lock lock(mutex_);
  while (!closed_ && clients_.empty()) ::poll(nullptr, 0, 1);  // defect
  if (clients_.empty()) return unique_fd();
  unique_fd client = std::move(clients_.front());
  clients_.pop_front();
  not_full_.notify_one();
  return client;
}

void ClientQueue::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  not_full_.notify_all();
  not_empty_.notify_all();
}
// #endregion step-1
