// A wrong server: there is one worker less than --threads says.
// fails: 4.3.as_many_clients_as_workers_are_served_at_once,
// 4.3.clients_are_served_in_the_order_of_their_arrival,
// 4.3.one_client_too_many_waits_for_a_worker, 4.4.waiting_for_room_takes_no_processor_time,
// 4.5.sigterm_ends_it_with_clients_in_the_queue
// cause: fewer clients are served at once than --threads says

// #region step-3
bool Pool::start(int threads) {
  while (threads_.size() + 1 < static_cast<std::size_t>(threads)) {  // defect
    const auto run = [](void* argument) -> void* {
      const Pool& pool = *static_cast<Pool*>(argument);
      work(pool.queue_, pool.registry_);
      return nullptr;
    };
    pthread_t thread;
    if (::pthread_create(&thread, nullptr, run, this) != 0) break;
    threads_.push_back(thread);
  }
  return !threads_.empty();
}

void Pool::join() {
  for (const pthread_t thread : threads_) ::pthread_join(thread, nullptr);
  threads_.clear();
}
// #endregion step-3
