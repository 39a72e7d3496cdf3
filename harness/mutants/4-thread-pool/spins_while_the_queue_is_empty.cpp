// A wrong server: a worker looks into the queue again and again, without a rest.
// fails: 4.2.waiting_for_clients_takes_no_processor_time
// cause: a loop runs on where it should block

// #region step-1
#include <sched.h>

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
  while (!closed_ && clients_.empty()) {
    lock.unlock();
    ::sched_yield();  // defect
    lock.lock();
  }
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
