// Lesson 4, thread pool: your server.
//
// Five chapters, one a step, in the order in which to write them. server.hpp says what each function
// promises; README.md says why. Keep the #region markers: the grader finds your steps by them, and
// grades each by itself too. So what a step needs, helpers of your own say, stands in its chapter.
//
//   harness/lab check 4        builds this file, runs it as a real server, and grades it
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
// TODO(step 1): put the client at the end of the queue, waiting while that is full. For now everybody
// is turned away.
bool ClientQueue::push(unique_fd client) { return false; }

// TODO(step 1): take the client at the head of the queue, waiting while there is none. For now there
// is none, and never will be.
unique_fd ClientQueue::pop() { return unique_fd(); }

// TODO(step 1): close the queue, and wake everybody who waits. For now it says that it is closed, and
// wakes nobody.
void ClientQueue::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
}
// #endregion step-1

// #region step-2
// TODO(step 2): take clients from the queue until it has nobody left and is closed. For now a worker
// serves one, and then it is gone.
void work(ClientQueue& queue, ClientRegistry& registry) {
  const unique_fd client = queue.pop();
  if (!client) return;
  registry.enter(client.get());
  {
    Visit visit(client.get());
    visit.echoed(echo_client(client.get()));
  }
  registry.leave(client.get());
}
// #endregion step-2

// #region step-3
// TODO(step 3): start as many threads as we are asked for, or as many of them as there can be, and
// say on stderr why there cannot be more. For now there is one, however many are wanted.
bool Pool::start(int threads) {
  const auto run = [](void* pointer) -> void* {
    const Pool& pool = *static_cast<Pool*>(pointer);
    work(pool.queue_, pool.registry_);
    return nullptr;
  };
  pthread_t thread;
  if (::pthread_create(&thread, nullptr, run, this) != 0) return false;
  threads_.push_back(thread);
  return true;
}

// TODO(step 3): wait for all of them. For now this waits for the one.
void Pool::join() {
  if (!threads_.empty()) ::pthread_join(threads_.front(), nullptr);
  threads_.clear();
}
// #endregion step-3

// #region step-4
// TODO(step 4): the first failure of accept ends this server. Leave the loop only when the queue is
// closed or the listener itself has failed (see accept_failure.hpp).
int serve(int listener, const Options& options) {
  ClientQueue queue(static_cast<std::size_t>(options.threads));
  ClientRegistry registry;
  Pool pool(queue, registry);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, queue, stop_thread)) return 1;
  if (!pool.start(options.threads)) return 1;
  for (;;) {
    unique_fd client(accept_client(listener));
    if (!client) break;
    queue.push(std::move(client));
  }
  const int status = queue.closed() ? 0 : 1;

  // Workers sleep in pop(), in read or in send, and each needs something else to wake it.
  queue.close();
  registry.shut_down(SHUT_RD);
  if (!pool.join_within(grace)) registry.shut_down(SHUT_RDWR);
  // The threads use `queue`, which ends with this function: not before they have all ended.
  pool.join();
  end_stop_thread(stop_thread);
  return status;
}
// #endregion step-4

// #region step-5
// TODO(step 5): block SIGTERM in all threads, and have one wait for it that closes the queue and
// shuts the listener down. For now SIGTERM does what it does by default: it ends the process, in the
// middle of whatever its threads are doing.
bool start_stop_thread(int listener, ClientQueue& queue, pthread_t& stop_thread) { return true; }

// TODO(step 5): have that thread end, if need be, and join it.
void end_stop_thread(pthread_t stop_thread) {}

// TODO(step 5): note who is being served, and have all of them come to an end when asked. For now
// nobody knows of a client but its worker.
void ClientRegistry::enter(int client) {}
void ClientRegistry::leave(int client) {}
void ClientRegistry::shut_down(int how) { how_ = how; }

// TODO(step 5): wait for all threads, but not for ever.
bool Pool::join_within(std::chrono::seconds limit) { return false; }
// #endregion step-5
