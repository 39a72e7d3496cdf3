// SA_NOCLDWAIT: SIGCHLD keeps its default, and the kernel keeps no zombies (man 2 sigaction).
// command: ./wants_no_zombies {port}
#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_all_on_sigterm();
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDWAIT;
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
