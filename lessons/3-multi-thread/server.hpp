// Lesson 3, multi thread: every client has a thread of its own, in one process, and a slot; when all
// slots are taken, the next client waits.
//
// What each function promises. You write them in server.cpp, in this order. The listener and the echo
// are lesson 1's, finished and linked in. Next: lesson 4 starts its threads once and keeps them.
#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "../1-single-process/server.hpp"
#include "unique_fd.hpp"

// How long a stopping server waits for clients that do not take what is theirs.
inline constexpr std::chrono::seconds grace{1};

// As many slots as clients may be served at once. All threads share it: every member function takes
// the mutex, and none keeps it while it sleeps.
class SlotTable {
 public:
  // A table of `slots` slots, all of them free. It has to outlive every thread that uses it.
  explicit SlotTable(int slots) : slots_(static_cast<std::size_t>(slots)) {}

  // Step 3. Takes a free slot and returns its index. While all are taken, sleeps until one is given
  // back. Returns -1 once the table is closed, whether or not a slot is free.
  int take();

  // Step 3. Notes that the holder of `slot` serves `client` in it, so that close() can reach that
  // client. If the table is closed already, does to `client` what close() would have done.
  void occupy(int slot, int client);

  // Step 4. Makes `slot` free, forgets its client, and wakes one thread that waits. The client's
  // descriptor is still open, and still the caller's. The caller uses the table no more.
  void give_back(int slot);

  // Step 6. From now on nobody gets a slot: who waits in take() wakes, and gets -1. Clients in the
  // table are shut down for reading: what they have sent is echoed, then their threads find an end
  // of file.
  void close();

  // Step 6. Waits until every slot is free; to be called after close(). Clients that after `grace`
  // still hold theirs are shut down for writing, too. No thread uses the table after that.
  void wait_until_empty();

  bool closed() {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  struct Slot {
    bool taken = false;
    int client = -1;  // its descriptor, while the slot's thread serves it
  };

  std::mutex mutex_;                 // guards all that follows
  std::condition_variable changed_;  // a slot has become free, or the table was closed
  std::vector<Slot> slots_;
  bool closed_ = false;
};

// Step 1. Starts a thread that serves `client` in `slot`, which the caller has taken: occupies it,
// echoes until the client leaves, gives the slot back, closes the client, and ends. Nobody joins that
// thread: it goes to release_thread(). Returns true without waiting for any of this; false with errno
// set if there is no thread, and then the client is closed, and the slot still the caller's.
bool start_client(SlotTable& slots, int slot, unique_fd client);

// Step 2. Nobody will join `thread`: what it occupies is freed when it ends, or now if it has ended.
void release_thread(pthread_t thread);

// Step 5. Starts a thread for each client, options.slots of them at most at the same time, until
// SIGTERM comes. A client may be lost when accept or pthread_create fails; the server, the other
// clients and the slot are not. Returns the exit status when all clients have been let go: 0 after a
// stop; 1 if the listener itself failed.
int serve(int listener, const Options& options);

// Step 6. From now on SIGTERM is blocked in this thread, and so in those that it starts later; a new
// thread, `stop_thread`, waits for it, then closes `slots`, shuts `listener` down, and ends. Returns
// false with errno set if there is no such thread.
bool start_stop_thread(int listener, SlotTable& slots, pthread_t& stop_thread);

// Step 6. Has `stop_thread` do its work even if no SIGTERM has come, and returns when it has ended.
void end_stop_thread(pthread_t stop_thread);
