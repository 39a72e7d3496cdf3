// A wrong server: there is one worker more than --threads says.
// fails: 4.3.one_client_too_many_waits_for_a_worker,
// 4.3.clients_are_served_in_the_order_of_their_arrival
// cause: more workers than --threads says

// #region step-3
bool Pool::start(int threads) {
  while (threads_.size() <= static_cast<std::size_t>(threads)) {  // defect
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
