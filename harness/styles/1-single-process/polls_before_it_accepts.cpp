// Nothing is called that could block but poll: accept, read and write only when poll says that they
// will not. Still one client at a time, in one process.
// command: ./polls_before_it_accepts {port}
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace {

void wait_for(int fd, short events) {
  pollfd wanted{fd, events, 0};
  while (::poll(&wanted, 1, -1) < 0 && errno == EINTR) {
  }
}

bool is_no_failure() { return errno == EINTR || errno == EAGAIN; }

void echo(int client) {
  char data[4096];
  for (;;) {
    wait_for(client, POLLIN);
    const ssize_t count = ::recv(client, data, sizeof data, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && !is_no_failure())) return;
    for (ssize_t sent = 0; sent < count;) {
      wait_for(client, POLLOUT);
      const std::size_t rest = static_cast<std::size_t>(count - sent);
      const ssize_t now = ::send(client, data + sent, rest, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (now < 0 && !is_no_failure()) return;
      if (now > 0) sent += now;
    }
  }
}

}  // namespace

int main(int, char** argv) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[1])));
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    std::perror(argv[1]);
    return EXIT_FAILURE;
  }
  for (;;) {
    wait_for(listener, POLLIN);
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) {
      if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 100);
      continue;
    }
    echo(client);
    ::close(client);
  }
}
