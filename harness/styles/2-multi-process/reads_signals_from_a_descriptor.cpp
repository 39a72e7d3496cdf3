// No handler at all: SIGCHLD and SIGTERM stay blocked, and are read from a signalfd, which poll watches
// together with the listener.
// command: ./reads_signals_from_a_descriptor {port}
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "serving.hpp"

int main(int, char** argv) {
  ::setpgid(0, 0);
  const int listener = listen_on(argv[1], SOCK_NONBLOCK);
  sigset_t wanted, before;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  ::sigaddset(&wanted, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &wanted, &before);
  const int signals = ::signalfd(-1, &wanted, SFD_CLOEXEC);

  pollfd watched[] = {{listener, POLLIN, 0}, {signals, POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0) continue;
    if (watched[1].revents != 0) {
      signalfd_siginfo got{};
      if (::read(signals, &got, sizeof got) != sizeof got) continue;
      if (got.ssi_signo == SIGTERM) {
        ::kill(0, SIGTERM);  // it stays blocked in us
        while (::wait(nullptr) > 0 || errno == EINTR) {
        }
        return 0;
      }
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
    }
    const int client = watched[0].revents != 0 ? next_client(listener) : -1;
    if (client < 0) continue;
    if (::fork() == 0) {
      ::sigprocmask(SIG_SETMASK, &before, nullptr);
      ::close(signals);
      ::close(listener);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
  }
}
