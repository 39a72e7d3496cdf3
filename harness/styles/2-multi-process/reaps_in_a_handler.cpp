// SIGCHLD's handler reaps, and is installed without SA_RESTART: accept fails with EINTR, and so does
// read in the children, which have inherited the handler.
// command: ./reaps_in_a_handler {port}
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
  ::sigaction(SIGCHLD, &action, nullptr);

  for (;;) {
    const int client = next_client(listener);
    if (client < 0) continue;
    if (::fork() == 0) {
      ::signal(SIGTERM, SIG_DFL);
      ::close(listener);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
  }
}
