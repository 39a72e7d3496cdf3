// The bytes never enter the process: splice moves them from the client to a pipe and from there back.
// command: ./splices {port}
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

ssize_t move(int from, int to, std::size_t most) {
  for (;;) {
    const ssize_t moved = ::splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE);
    if (moved >= 0 || errno != EINTR) return moved;
  }
}

void echo(int client) {
  int ends[2];  // new for each client: what a lost one has left in it is lost with it
  if (::pipe(ends) != 0) return;
  for (ssize_t held = 0; held >= 0;) {
    held = move(client, ends[1], 64 * 1024);
    if (held == 0) held = -1;
    while (held > 0) {
      const ssize_t sent = move(ends[0], client, static_cast<std::size_t>(held));
      held = sent > 0 ? held - sent : -1;
    }
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace

int main(int, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // splice has no MSG_NOSIGNAL
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[1])));
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    std::perror(argv[1]);
    return EXIT_FAILURE;
  }
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) {
      if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 100);
      continue;
    }
    echo(client);
    ::close(client);
  }
}
