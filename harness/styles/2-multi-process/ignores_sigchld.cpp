// SIGCHLD is ignored, so that the kernel keeps no zombies (man 2 waitpid, NOTES); and it is the kernel
// that ends the children when their parent ends (PR_SET_PDEATHSIG), whatever has ended it.
// command: ./ignores_sigchld {port}
#include <sys/prctl.h>

#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  ::signal(SIGCHLD, SIG_IGN);
  const pid_t parent = ::getpid();

  for (;;) {
    const int client = next_client(listener);
    if (client < 0) continue;
    if (::fork() == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(1);  // it had ended already
      ::close(listener);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
  }
}
