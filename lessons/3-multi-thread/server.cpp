// Lesson 3, multi thread: your server.
//
// Six chapters, one a step, in the order in which to write them. server.hpp says what each function
// promises; README.md says why. Keep the #region markers: the grader finds your steps by them, and
// grades each by itself too. So what a step needs, helpers of your own say, stands in its chapter.
//
//   harness/lab check 3        builds this file, runs it as a real server, and grades it
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
// TODO(step 1): give the client a thread of its own, which does all this. For now the thread that
// accepts does it, as in lesson 1, and everybody else waits.
bool start_client(SlotTable& slots, int slot, unique_fd client) {
  slots.occupy(slot, client.get());
  {
    Visit visit(client.get());
    visit.echoed(echo_client(client.get()));
  }
  slots.give_back(slot);
  return true;
}
// #endregion step-1

// #region step-2
// TODO(step 2): say that nobody will join this thread. For now it keeps its stack after its end.
void release_thread(pthread_t thread) {}
// #endregion step-2

// #region step-3
// TODO(step 3): when all slots are taken, wait for one; and return -1 once the table is closed. For
// now the table grows instead, and nobody ever waits.
int SlotTable::take() {
  const std::scoped_lock lock(mutex_);
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (!slots_[slot].taken) {
      slots_[slot].taken = true;
      return static_cast<int>(slot);
    }
  }
  slots_.push_back(Slot{true, -1});
  return static_cast<int>(slots_.size() - 1);
}

// TODO(step 3): note the client in its slot. For now nobody but its own thread knows of it.
void SlotTable::occupy(int slot, int client) {}
// #endregion step-3

// #region step-4
// TODO(step 4): make the slot free, forget its client, and wake one thread that waits for a slot. For
// now each slot is used once.
void SlotTable::give_back(int slot) {}
// #endregion step-4

// #region step-5
// TODO(step 5): the first failure of accept or of pthread_create ends this server, and takes a slot
// and `slots` away from threads that go on using it. Let it cost one client at most, and no slot (see
// accept_failure.hpp), and say on stderr why pthread_create failed. When the listener itself has
// failed, leave the loop with a status of 1.
int serve(int listener, const Options& options) {
  SlotTable slots(options.slots);
  pthread_t stop_thread{};
  if (!start_stop_thread(listener, slots, stop_thread)) return 1;
  for (;;) {
    const int slot = slots.take();
    if (slot < 0) break;
    unique_fd client(accept_client(listener));
    if (slots.closed()) break;
    if (!client) return 1;
    if (!start_client(slots, slot, std::move(client))) return 1;
  }
  end_stop_thread(stop_thread);
  slots.wait_until_empty();
  return 0;
}
// #endregion step-5

// #region step-6
// TODO(step 6): block SIGTERM in all threads, and have one wait for it that closes the table and
// shuts the listener down. For now SIGTERM does what it does by default: it ends the process, in the
// middle of whatever its threads are doing.
bool start_stop_thread(int listener, SlotTable& slots, pthread_t& stop_thread) { return true; }

// TODO(step 6): have that thread end, if need be, and join it.
void end_stop_thread(pthread_t stop_thread) {}

// TODO(step 6): let nobody have a slot any more, wake who waits for one, and have the clients' threads
// come to an end.
void SlotTable::close() {}

// TODO(step 6): wait until every slot is free, also when a client does not read.
void SlotTable::wait_until_empty() {}
// #endregion step-6
