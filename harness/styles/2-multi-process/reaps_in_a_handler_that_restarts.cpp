// SIGCHLD's handler reaps, and is installed with SA_RESTART: no call ever fails with EINTR.
// command: ./reaps_in_a_handler_that_restarts {port}
#include <sys/wait.h>

#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_all_on_sigterm();
  struct sigaction action {};
  action.sa_handler = [](int) {
    const int error = errno;
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    errno = error;
  };
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &action, nullptr);

  for (;;) {
    const int client = next_client(listener);
    if (client < 0) continue;
    switch (::fork()) {
      case 0:
        ::signal(SIGTERM, SIG_DFL);
        ::close(listener);
        echo(client);
        ::_exit(0);
      case -1:
        std::perror("fork");
        break;
    }
    ::close(client);
  }
}
