// C++20's own counting_semaphore holds the free slots; detached std::threads release them.
// command: ./counts_with_a_semaphore {port} {slots}
#include <semaphore>
#include <system_error>
#include <thread>

#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  static std::counting_semaphore<> slots(std::atoi(argv[2]));
  for (;;) {
    slots.acquire();
    const int client = next_client(listener);
    try {
      std::thread([client] {
        serve(client);
        slots.release();
      }).detach();
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "%s: one client lost\n", error.what());
      ::close(client);
      slots.release();
    }
  }
}
