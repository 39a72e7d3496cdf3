// Lesson 4, thread pool: the finished server. Shows how threads hand work to each other without
// polling, what back-pressure is, and how threads that all sleep are brought to an end. Read lesson
// 3's first.
#include "server.hpp"

#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>

#include "accept_failure.hpp"
#include "visit.hpp"

// #region step-1
// Step 1: look, and if it cannot be done, sleep. wait() gives the mutex back and falls asleep in one
// go, so that nothing can change between our look and our sleep, unnoticed. When it wakes it takes
// the mutex again and we look again: another thread may have been faster, and a condition variable
// may wake for no reason at all.
bool ClientQueue::push(unique_fd client) {
  std::unique_lock lock(mutex_);
  not_full_.wait(lock, [this] { return closed_ || !full(); });
  if (closed_) return false;
  clients_.push_back(std::move(client));
  // One client, so one waiter is enough. Those who wait for room wait elsewhere: this one wake-up
  // cannot go to somebody who has no use for it.
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

// This concerns everybody who waits, so everybody is woken.
void ClientQueue::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  not_full_.notify_all();
  not_empty_.notify_all();
}
// #endregion step-1

// #region step-2
// Step 2: the worker outlives its clients. All that belongs to one of them ends with its turn, and
// nothing that a client does is a reason to leave the loop: a worker that is gone is missed for ever.
void work(ClientQueue& queue, ClientRegistry& registry) {
  while (unique_fd client = queue.pop()) {
    registry.enter(client.get());
    {
      Visit visit(client.get());
      visit.echoed(echo_client(client.get()));
    }
    // Before the descriptor is closed: after that, its number may be another client's.
    registry.leave(client.get());
    // The end of the block closes the client. Then, and not before, we wait for the next.
  }
}
// #endregion step-2

// #region step-3
// Step 3: nothing is started for a client any more, so a failure here is met once, at the start, and
// costs nobody a connection. Fewer workers are slower; only none at all is a reason not to serve.
bool Pool::start(int threads) {
  while (threads_.size() < static_cast<std::size_t>(threads)) {
    // The pool outlives its threads, so that its address will do as their argument.
    const auto run = [](void* pointer) -> void* {
      const Pool& pool = *static_cast<Pool*>(pointer);
      work(pool.queue_, pool.registry_);
      return nullptr;
    };
    pthread_t thread;
    const int error = ::pthread_create(&thread, nullptr, run, this);
    if (error != 0) {  // which it returns, and errno stays as it was
      std::fprintf(stderr, "pthread_create: %s (%s): %zu of %d threads\n", ::strerrorname_np(error),
                   std::strerror(error), threads_.size(), threads);
      break;
    }
    threads_.push_back(thread);
  }
  return !threads_.empty();
}

// An ended thread keeps its id and its stack until it is joined. These threads can be: they all end
// when the queue is closed, and we have nothing else to do but wait for them.
void Pool::join() {
  for (const pthread_t thread : threads_) ::pthread_join(thread, nullptr);
  threads_.clear();
}
// #endregion step-3

// #region step-4
// Step 4: while all workers are busy, the queue fills; when it is full, push() sleeps, and we accept
// nobody; then the listener's queue fills, and the kernel lets clients wait. That is back-pressure:
// who is slow slows down whoever feeds it, and what we hold has a limit, whatever happens outside.
int serve(int listener, const Options& options) {
  ClientQueue queue(static_cast<std::size_t>(options.threads));
  ClientRegistry registry;
  Pool pool(queue, registry);
  pthread_t stop_thread{};
  const bool has_stop_thread = start_stop_thread(listener, queue, stop_thread);
  if (!has_stop_thread) {
    std::fprintf(stderr, "pthread_create: %s (%s): SIGTERM will cut clients off\n",
                 ::strerrorname_np(errno), std::strerror(errno));
  }
  const bool has_workers = pool.start(options.threads);
  while (has_workers) {
    unique_fd client(accept_client(listener));
    const int error = errno;
    if (client) {
      queue.push(std::move(client));  // in vain after a stop: accept fails next
    } else if (queue.closed() || !survive_accept_failure(error)) {
      break;
    }
  }
  const int status = queue.closed() ? 0 : 1;

  // Workers sleep in pop(), in read or in send, and each needs something else to wake it.
  queue.close();
  registry.shut_down(SHUT_RD);
  if (!pool.join_within(grace)) registry.shut_down(SHUT_RDWR);
  // The threads use `queue`, which ends with this function: not before they have all ended.
  pool.join();
  if (has_stop_thread) end_stop_thread(stop_thread);
  return status;
}
// #endregion step-4

// #region step-5
namespace {

struct StopArgument {
  int listener;
  ClientQueue& queue;
};

// A handler interrupts some thread anywhere, perhaps one that holds the mutex, and so may take none.
// sigwait is an ordinary call that returns when the signal has come: no handler, and no EINTR.
void* wait_for_sigterm(void* pointer) {
  const std::unique_ptr<StopArgument> argument(static_cast<StopArgument*>(pointer));
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  int number = 0;
  ::sigwait(&sigterm, &number);
  // In this order: whoever finds the listener shut down finds the queue closed. serve() may sleep in
  // push or in accept, and goes on to its end from either.
  argument->queue.close();
  ::shutdown(argument->listener, SHUT_RD);
  return nullptr;
}

}  // namespace

// Step 5: the kernel gives a signal for the process to any thread that does not block it. When all
// do, it stays pending until sigwait takes it. A thread begins with its creator's mask, so the first
// thread blocks SIGTERM before there is a second one.
bool start_stop_thread(int listener, ClientQueue& queue, pthread_t& stop_thread) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &sigterm, &before);

  std::unique_ptr<StopArgument> argument(new StopArgument{listener, queue});
  const int error = ::pthread_create(&stop_thread, nullptr, wait_for_sigterm, argument.get());
  if (error != 0) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);  // else nothing but SIGKILL would end us
    errno = error;
    return false;
  }
  static_cast<void>(argument.release());
  return true;
}

// When the listener has failed by itself, nobody has sent a SIGTERM. This one is for that thread
// alone; if it has ended already, nothing happens, for its id stays its own until it is joined.
void end_stop_thread(pthread_t stop_thread) {
  ::pthread_kill(stop_thread, SIGTERM);
  ::pthread_join(stop_thread, nullptr);
}

// The client was taken from the queue while nobody wanted to stop. That may have changed since.
void ClientRegistry::enter(int client) {
  const std::scoped_lock lock(mutex_);
  clients_.insert(client);
  if (how_ >= 0) ::shutdown(client, how_);
}

void ClientRegistry::leave(int client) {
  const std::scoped_lock lock(mutex_);
  clients_.erase(client);
}

// SHUT_RD and not a close, which would wake nobody, and not SHUT_RDWR, which would cut the client off
// from what it is owed: a thread reads what has arrived, then 0, and ends as if its client had left.
// The mutex is kept all the while, so that nobody can leave, and no number can change hands.
void ClientRegistry::shut_down(int how) {
  const std::scoped_lock lock(mutex_);
  how_ = how;
  for (const int client : clients_) ::shutdown(client, how);
}

// A thread may still sleep in send, because its client does not read, or never come to the end of
// what its client sends. Waiting for it has to have a limit. After SHUT_RDWR every send fails.
bool Pool::join_within(std::chrono::seconds limit) {
  timespec deadline{};
  ::clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += limit.count();
  while (!threads_.empty()) {
    if (::pthread_timedjoin_np(threads_.back(), nullptr, &deadline) != 0) return false;
    threads_.pop_back();
  }
  return true;
}
// #endregion step-5
