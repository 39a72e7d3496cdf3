// A wrong server: who came last is served first.
// fails: 4.3.clients_are_served_in_the_order_of_their_arrival
// cause: not first in, first out

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
  unique_fd client = std::move(clients_.back());  // defect
  clients_.pop_back();
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
