// A pidfd for each child: poll says which of them has ended, and no signal is needed for it.
// command: ./watches_pidfds {port}
#include <sys/syscall.h>
#include <sys/wait.h>

#include <vector>

#include "serving.hpp"

namespace {

// A child whose end could not be watched does not live: it would be a zombie for ever.
int watch(pid_t child) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (pidfd >= 0) return pidfd;
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return -1;
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1], SOCK_NONBLOCK);
  end_all_on_sigterm();
  std::vector<pollfd> watched = {{listener, POLLIN, 0}};
  std::vector<pid_t> pids = {0};

  for (;;) {
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    for (std::size_t n = watched.size(); --n > 0;) {
      if (watched[n].revents == 0) continue;
      ::waitpid(pids[n], nullptr, 0);
      ::close(watched[n].fd);
      watched.erase(watched.begin() + static_cast<std::ptrdiff_t>(n));
      pids.erase(pids.begin() + static_cast<std::ptrdiff_t>(n));
    }
    const int client = watched[0].revents != 0 ? next_client(listener) : -1;
    if (client < 0) continue;
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGTERM, SIG_DFL);
      for (const pollfd& other : watched) ::close(other.fd);
      echo(client);
      ::_exit(0);
    }
    ::close(client);
    const int pidfd = child > 0 ? watch(child) : -1;
    if (pidfd < 0) continue;
    watched.push_back({pidfd, POLLIN, 0});
    pids.push_back(child);
  }
}
