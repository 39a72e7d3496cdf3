// What inetd does: the child becomes another program, with the client as its stdin and stdout. The
// listener closes by itself then (SOCK_CLOEXEC), and handlers go back to their defaults.
// command: ./runs_cat_for_each_client {port}
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
      ::dup2(client, STDIN_FILENO);
      ::dup2(client, STDOUT_FILENO);
      ::close(client);
      ::execlp("cat", "cat", nullptr);
      ::_exit(127);
    }
    ::close(client);
  }
}
