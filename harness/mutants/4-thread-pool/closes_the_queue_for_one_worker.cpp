// A wrong server: close() wakes one worker; the others sleep on.
// fails: 4.5.sigterm_ends_it_at_idle_with_status_0
// cause: wake all that wait

// #region step-1
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
  not_empty_.notify_one();  // defect
}
// #endregion step-1
