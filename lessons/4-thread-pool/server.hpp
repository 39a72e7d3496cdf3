// Lesson 4, thread pool: a few threads, started once, serve all clients; those who come while all are
// busy wait in a queue.
//
// What each function promises. You write them in server.cpp, in this order. The listener and the echo
// are lesson 1's, finished and linked in. Read lesson 3's first.
#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <set>
#include <vector>

#include "../1-single-process/server.hpp"
#include "unique_fd.hpp"

// How long a stopping server waits for clients that do not take what is theirs.
inline constexpr std::chrono::seconds grace{1};

// The clients that wait for a worker, in the order in which they came. All threads share it: every
// member function takes the mutex, and none keeps it while it sleeps.
class ClientQueue {
 public:
  // A queue with room for `capacity` clients, at least 1. It has to outlive every thread that uses it.
  explicit ClientQueue(std::size_t capacity) : capacity_(capacity) {}

  // Step 1. Puts `client` at the end of the queue; while that is full, sleeps until somebody leaves
  // it. Returns false once the queue is closed, and then the client is closed, too.
  bool push(unique_fd client);

  // Step 1. Takes the client at the head of the queue; while there is none, sleeps until one comes.
  // Once the queue is closed, those that are still in it are handed out, and then nothing: an empty
  // unique_fd, at once and for ever.
  unique_fd pop();

  // Step 1. From now on nobody gets into the queue: who waits in push() wakes, and gets false; who
  // waits in pop() wakes, and gets nothing. May be called more than once.
  void close();

  bool closed() {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  bool full() const { return clients_.size() >= capacity_; }  // its caller holds the mutex

  const std::size_t capacity_;
  std::mutex mutex_;                   // guards all that follows
  std::condition_variable not_full_;   // a client has left the queue, or it was closed
  std::condition_variable not_empty_;  // a client has come into the queue, or it was closed
  std::deque<unique_fd> clients_;
  bool closed_ = false;
};

// The clients that are being served, so that a stop can reach them. All threads share it, as above.
class ClientRegistry {
 public:
  // Step 5. Notes that `client` is being served. If shut_down() was called already, does to `client`
  // what that would have done.
  void enter(int client);

  // Step 5. Forgets `client`, whose descriptor is still open, and still the caller's.
  void leave(int client);

  // Step 5. Does shutdown(client, how) to every client that is here, and to those that will be.
  void shut_down(int how);

 private:
  std::mutex mutex_;  // guards all that follows
  std::set<int> clients_;
  int how_ = -1;  // what shut_down() was told; -1 if it was not called yet
};

// Step 2. What a worker does all its life: takes a client from `queue`, enters it in `registry`,
// echoes until it leaves, takes it out of `registry`, and closes it; then the next. Returns when
// `queue` has nobody left and is closed. However a client ends, the worker goes on.
void work(ClientQueue& queue, ClientRegistry& registry);

// Threads that run work().
class Pool {
 public:
  // Both have to outlive the pool's threads, and so has the pool.
  Pool(ClientQueue& queue, ClientRegistry& registry) : queue_(queue), registry_(registry) {}

  // Step 3. Starts `threads` threads that run work(). If there cannot be as many, says so on stderr
  // and makes do with those that there are. Returns false if there is none.
  bool start(int threads);

  // Step 3. Returns when every thread has ended, and nothing is left of it.
  void join();

  // Step 5. As join(), but gives up after `limit`: returns false if a thread runs on by then, and
  // join() remains to be called.
  bool join_within(std::chrono::seconds limit);

 private:
  ClientQueue& queue_;
  ClientRegistry& registry_;
  std::vector<pthread_t> threads_;  // those that have not been joined
};

// Step 4. Serves options.threads clients at the same time, until SIGTERM comes; as many again wait in
// a ClientQueue, and everybody else in the listener's queue. When accept fails, nobody is lost who was
// accepted. Returns the exit status when all clients have been let go and all threads have ended: 0
// after a stop; 1 if the listener itself failed, or if there is no worker.
int serve(int listener, const Options& options);

// Step 5. From now on SIGTERM is blocked in this thread, and so in those that it starts later; a new
// thread, `stop_thread`, waits for it, then closes `queue`, shuts `listener` down, and ends. Returns
// false with errno set if there is no such thread, and then SIGTERM is blocked no more than before.
bool start_stop_thread(int listener, ClientQueue& queue, pthread_t& stop_thread);

// Step 5. Has `stop_thread` do its work even if no SIGTERM has come, and returns when it has ended.
void end_stop_thread(pthread_t stop_thread);
