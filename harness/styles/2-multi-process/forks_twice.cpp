// The child forks and ends at once, and is waited for on the spot; the grandchild serves, and init
// reaps it. This server never has a child for longer than that.
// command: ./forks_twice {port}
#include <sys/wait.h>

#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_all_on_sigterm();

  for (;;) {
    const int client = next_client(listener);
    if (client < 0) continue;
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGTERM, SIG_DFL);
      ::close(listener);
      if (::fork() == 0) echo(client);
      ::_exit(0);
    }
    ::close(client);
    while (child > 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}
