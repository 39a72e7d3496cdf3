// std::async starts the threads. Who has served says which slot that was; its future is asked to the
// end before the slot is used again, so that one slot never means two threads.
// command: ./keeps_futures {port} {slots}
#include <future>
#include <mutex>
#include <semaphore>
#include <system_error>
#include <vector>

#include "serving.hpp"

namespace {

std::mutex mutex;
std::vector<std::size_t> free_slots;
std::counting_semaphore<> free_count(0);

void give_back(std::size_t slot) {
  {
    const std::scoped_lock lock(mutex);
    free_slots.push_back(slot);
  }
  free_count.release();
}

std::size_t take() {
  free_count.acquire();
  const std::scoped_lock lock(mutex);
  const std::size_t slot = free_slots.back();
  free_slots.pop_back();
  return slot;
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  std::vector<std::future<void>> threads(std::strtoul(argv[2], nullptr, 10));
  for (std::size_t slot = 0; slot < threads.size(); ++slot) give_back(slot);
  for (;;) {
    const std::size_t slot = take();
    if (threads[slot].valid()) threads[slot].get();
    const int client = next_client(listener);
    try {
      threads[slot] = std::async(std::launch::async, [client, slot] {
        serve(client);
        give_back(slot);
      });
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "%s: one client lost\n", error.what());
      ::close(client);
      give_back(slot);
    }
  }
}
