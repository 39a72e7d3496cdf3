// A wrong server: push does not take the mutex, while workers look into the queue.
// fails: 4.4.no_two_threads_meet_in_the_same_memory
// cause: take the mutex

// #region step-1
bool ClientQueue::push(unique_fd client) {
  if (closed_) return false;
  clients_.push_back(std::move(client));  // defect
  not_empty_.notify_one();
  return true;
}

unique_fd ClientQueue::pop() {
  std::unique_lock lock(mutex_);
  not_empty_.wait(lock, [this] { return closed_ || !clients_.empty(); });
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
