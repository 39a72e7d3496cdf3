// Lesson 3, multi thread: the finished server. Shows what threads share and what that asks for, how
// one waits for another without polling, and how a signal is taken by ordinary code. Read lesson 2's
// first.
#include "server.hpp"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "accept_failure.hpp"
#include "visit.hpp"

// #region step-1
namespace {

struct ClientArgument {
  SlotTable& slots;
  int slot;
  unique_fd client;
};

void* serve_client(void* pointer) {
  const std::unique_ptr<ClientArgument> argument(static_cast<ClientArgument*>(pointer));
  const int client = argument->client.get();
  argument->slots.occupy(argument->slot, client);
  {
    Visit visit(client);
    visit.echoed(echo_client(client));
  }
  argument->slots.give_back(argument->slot);
  // From here on the table may be gone. What is left is this thread's alone; it closes the client.
  return nullptr;
}

}  // namespace

// Step 1: threads share the memory and the table of descriptors. Nothing is copied, unlike in fork:
// a descriptor that one thread closes is closed for all.
bool start_client(SlotTable& slots, int slot, unique_fd client) {
  // The thread may begin long after pthread_create has returned. A pointer to a local variable would
  // then show it the next client, or whatever else is there. So its argument has a place of its own
  // on the heap, which the thread frees.
  std::unique_ptr<ClientArgument> argument(new ClientArgument{slots, slot, std::move(client)});
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, serve_client, argument.get());
  if (error != 0) {
    argument.reset();
    errno = error;  // the pthread functions return it and leave errno alone
    return false;
  }
  static_cast<void>(argument.release());
  release_thread(thread);
  return true;
}
// #endregion step-1

// #region step-2
// Step 2: an ended thread keeps its id and its stack, 8 MiB of address space, until somebody has
// joined it: a zombie, in the C library's books. Joining waits for it, which an accepting thread
// cannot; so nobody will, and the thread frees all that by itself.
void release_thread(pthread_t thread) { ::pthread_detach(thread); }
// #endregion step-2

// #region step-3
// Step 3: look, and if there is nothing, sleep. wait() gives the mutex back and falls asleep in one
// go, so that no slot can become free between our look and our sleep, unnoticed. When it wakes it
// takes the mutex again and we look again: another thread may have been faster, and a condition
// variable may wake for no reason at all.
int SlotTable::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (closed_) return -1;
    const auto free = std::ranges::find(slots_, false, &Slot::taken);
    if (free != slots_.end()) {
      free->taken = true;
      return static_cast<int>(free - slots_.begin());
    }
    changed_.wait(lock);
  }
}

// The client was accepted while the table was open. It may have been closed since.
void SlotTable::occupy(int slot, int client) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].client = client;
  if (closed_) ::shutdown(client, SHUT_RD);
}
// #endregion step-3

// #region step-4
// Step 4: the descriptor leaves the table before it is closed. Once closed, the kernel gives its
// number to the next client, and whoever still finds it here does to that one what was meant for ours.
void SlotTable::give_back(int slot) {
  const std::scoped_lock lock(mutex_);
  slots_[static_cast<std::size_t>(slot)] = Slot();
  // One slot, so one waiter is enough. Without the mutex we could notify one who has just looked and
  // does not sleep yet, or who has found the table empty and destroyed it.
  changed_.notify_one();
}
// #endregion step-4

// #region step-5
// Step 5: first the slot, then the client: while all slots are taken, the next one waits in the
// listener's queue and costs nothing. But now each way out of a turn has to give the slot back. One
// that is forgotten is missing for ever, and nobody notices until all are.
int serve(int listener, const Options& options) {
  SlotTable slots(options.slots);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, slots, stop_thread)) return 1;
  int status = 0;
  for (;;) {
    const int slot = slots.take();
    if (slot < 0) break;
    unique_fd client(accept_client(listener));
    if (!client) {
      const int error = errno;
      slots.give_back(slot);
      if (slots.closed()) break;
      if (survive_accept_failure(error)) continue;
      status = 1;
      break;
    }

    if (!start_client(slots, slot, std::move(client))) {
      std::fprintf(stderr, "pthread_create: %s (%s): one client lost\n", ::strerrorname_np(errno),
                   std::strerror(errno));
      slots.give_back(slot);
    }
  }
  // The threads use `slots`, which ends with this function: not before they have all let go of it.
  end_stop_thread(stop_thread);
  slots.wait_until_empty();
  return status;
}
// #endregion step-5

// #region step-6
namespace {

struct StopArgument {
  int listener;
  SlotTable& slots;
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
  // In this order: whoever finds the listener shut down finds the table closed.
  argument->slots.close();
  ::shutdown(argument->listener, SHUT_RD);
  return nullptr;
}

}  // namespace

// Step 6: the kernel gives a signal for the process to any thread that does not block it. When all
// do, it stays pending until sigwait takes it. A thread begins with its creator's mask, so the first
// thread blocks SIGTERM before there is a second one.
bool start_stop_thread(int listener, SlotTable& slots, pthread_t& stop_thread) {
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &sigterm, nullptr);

  std::unique_ptr<StopArgument> argument(new StopArgument{listener, slots});
  const int error = ::pthread_create(&stop_thread, nullptr, wait_for_sigterm, argument.get());
  if (error != 0) {
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

// SHUT_RD and not a close, which would wake nobody, and not SHUT_RDWR, which would cut the client off
// from what it is owed: a thread reads what has arrived, then 0, and ends as if its client had left.
void SlotTable::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  for (const Slot& slot : slots_) {
    if (slot.client >= 0) ::shutdown(slot.client, SHUT_RD);
  }
  changed_.notify_all();
}

// A thread may still sleep in send, because its client does not read, or never come to the end of
// what its client sends. After SHUT_RDWR every send fails; so this loop has an end.
void SlotTable::wait_until_empty() {
  std::unique_lock lock(mutex_);
  const auto empty = [this] { return std::ranges::none_of(slots_, &Slot::taken); };
  while (!changed_.wait_for(lock, grace, empty)) {
    for (const Slot& slot : slots_) {
      if (slot.client >= 0) ::shutdown(slot.client, SHUT_RDWR);
    }
  }
}
// #endregion step-6
