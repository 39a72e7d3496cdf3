// The handlers do nothing, and the loop does it all: SIGCHLD and SIGTERM are blocked except while ppoll
// waits, so that one that comes at any other time ends the very next wait.
// command: ./reaps_between_waits {port}
#include <sys/wait.h>

#include "serving.hpp"

namespace {
volatile std::sig_atomic_t ending = 0;
}

int main(int, char** argv) {
  ::setpgid(0, 0);
  const int listener = listen_on(argv[1], SOCK_NONBLOCK);
  sigset_t wanted, before;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  ::sigaddset(&wanted, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &wanted, &before);
  ::signal(SIGCHLD, [](int) {});
  ::signal(SIGTERM, [](int) { ending = 1; });

  while (!ending) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    pollfd watched{listener, POLLIN, 0};
    if (::ppoll(&watched, 1, nullptr, &before) < 1) continue;
    const int client = next_client(listener);
    if (client < 0) continue;
    if (::fork() == 0) {
      ::signal(SIGCHLD, SIG_DFL);
      ::signal(SIGTERM, SIG_DFL);
      ::sigprocmask(SIG_SETMASK, &before, nullptr);
      ::close(listener);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
  }
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
  ::kill(0, SIGTERM);  // it stays blocked in us
  while (::wait(nullptr) > 0 || errno == EINTR) {
  }
}
