// A POSIX semaphore, asked only after accept: the client that has to wait is accepted already. Its
// thread is created by C++ and detaches itself.
// command: ./accepts_before_it_takes_a_slot {port} {slots}
#include <semaphore.h>

#include <system_error>
#include <thread>

#include "serving.hpp"

namespace {

sem_t slots;

void run(int client) {
  serve(client);
  ::sem_post(&slots);
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  ::sem_init(&slots, 0, static_cast<unsigned>(std::atoi(argv[2])));
  for (;;) {
    const int client = next_client(listener);
    while (::sem_wait(&slots) != 0) {  // EINTR: it is not restarted
    }
    try {
      std::thread(run, client).detach();
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "%s: one client lost\n", error.what());
      ::close(client);
      ::sem_post(&slots);
    }
  }
}
