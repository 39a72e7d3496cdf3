// 72 children are there from the start and accept on the listener that they have inherited, each one
// client after another; the parent only puts a new one in the place of one that has ended.
// command: ./forks_before_clients_come {port}
// except: once the parent is killed its port is not free, for the children go on accepting.
#include <sys/wait.h>

#include "serving.hpp"

namespace {

void start_child(int listener) {
  for (;;) {
    const pid_t child = ::fork();
    if (child > 0) return;
    if (child < 0) {
      ::poll(nullptr, 0, 100);
      continue;
    }
    ::signal(SIGTERM, SIG_DFL);
    for (;;) {
      const int client = next_client(listener);
      if (client < 0) continue;
      echo(client);
      ::close(client);
    }
  }
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_all_on_sigterm();
  for (int started = 0; started < 72; ++started) start_child(listener);
  for (;;) {
    if (::wait(nullptr) > 0) start_child(listener);
  }
}
