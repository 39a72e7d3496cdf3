// The self-pipe trick: SIGCHLD's handler writes one byte to a pipe that poll watches together with the
// listener, so that no signal can slip in between a test and a wait.
// command: ./wakes_itself_through_a_pipe {port}
#include <fcntl.h>
#include <sys/wait.h>

#include "serving.hpp"

namespace {
int wake[2];
}

int main(int, char** argv) {
  const int listener = listen_on(argv[1], SOCK_NONBLOCK);
  end_all_on_sigterm();
  if (::pipe2(wake, O_NONBLOCK | O_CLOEXEC) != 0) return 1;
  struct sigaction action {};
  action.sa_handler = [](int) {
    const int error = errno;
    [[maybe_unused]] const ssize_t full = ::write(wake[1], "", 1);  // then it wakes us anyway
    errno = error;
  };
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &action, nullptr);

  pollfd watched[] = {{listener, POLLIN, 0}, {wake[0], POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0) continue;
    char bytes[64];
    while (::read(wake[0], bytes, sizeof bytes) > 0) {
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    const int client = watched[0].revents != 0 ? next_client(listener) : -1;
    if (client < 0) continue;
    if (::fork() == 0) {
      ::signal(SIGCHLD, SIG_DFL);  // its bytes would go to the parent's pipe
      ::close(wake[0]);
      ::close(wake[1]);
      ::signal(SIGTERM, SIG_DFL);
      ::close(listener);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
  }
}
