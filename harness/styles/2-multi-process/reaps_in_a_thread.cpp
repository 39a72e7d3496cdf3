// A second thread does nothing but wait for SIGCHLD and SIGTERM (sigwait); all threads block them.
// command: ./reaps_in_a_thread {port}
#include <sys/wait.h>

#include <thread>

#include "serving.hpp"

namespace {

void mind_children(sigset_t wanted) {
  for (;;) {
    int got = 0;
    ::sigwait(&wanted, &got);
    if (got == SIGTERM) {
      ::kill(0, SIGTERM);  // it stays blocked in us
      ::_exit(0);
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

}  // namespace

int main(int, char** argv) {
  ::setpgid(0, 0);
  const int listener = listen_on(argv[1]);
  sigset_t wanted, before;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  ::sigaddset(&wanted, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &wanted, &before);
  std::thread(mind_children, wanted).detach();

  for (;;) {
    const int client = next_client(listener);
    if (client < 0) continue;
    if (::fork() == 0) {  // the other thread is not copied
      ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
      ::close(listener);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
  }
}
