// A wrong server: who finds the queue full looks again every millisecond.
// fails: 4.4.waiting_for_room_takes_no_processor_time
// cause: a loop runs on where it should block

// #region step-1
#include <unistd.h>

bool ClientQueue::push(unique_fd client) {
  std::unique_lock lock(mutex_);
  while (!closed_ && clients_.size() >= capacity_) {
    lock.unlock();
    ::usleep(1000);  // defect
    lock.lock();
  }
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
  not_empty_.notify_all();
}
// #endregion step-1
