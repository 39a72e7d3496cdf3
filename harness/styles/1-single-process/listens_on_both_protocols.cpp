// getaddrinfo finds the address, and one IPv6 socket takes IPv4 clients too (IPV6_V6ONLY off); where
// there is no IPv6, IPv4 alone.
// command: ./listens_on_both_protocols {port}
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace {

int listen_on(const addrinfo& found) {
  const int listener = ::socket(found.ai_family, found.ai_socktype, found.ai_protocol);
  if (listener < 0) return -1;
  const int on = 1, off = 0;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (found.ai_family == AF_INET6)
    ::setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(listener, found.ai_addr, found.ai_addrlen) == 0 && ::listen(listener, 128) == 0)
    return listener;
  const int error = errno;
  ::close(listener);
  errno = error;
  return -1;
}

int open_listener(const char* port) {
  for (const int family : {AF_INET6, AF_INET}) {
    addrinfo wanted{}, *found = nullptr;
    wanted.ai_family = family;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    if (::getaddrinfo(nullptr, port, &wanted, &found) != 0) continue;
    const int listener = listen_on(*found);
    ::freeaddrinfo(found);
    if (listener >= 0 || errno == EADDRINUSE) return listener;
  }
  return -1;
}

void echo(int client) {
  char data[8192];
  for (;;) {
    const ssize_t count = ::recv(client, data, sizeof data, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    for (ssize_t sent = 0; sent < count;) {
      const std::size_t rest = static_cast<std::size_t>(count - sent);
      const ssize_t now = ::send(client, data + sent, rest, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) return;
      if (now > 0) sent += now;
    }
  }
}

}  // namespace

int main(int, char** argv) {
  const int listener = open_listener(argv[1]);
  if (listener < 0) {
    std::fprintf(stderr, "port %s: %s\n", argv[1], std::strerror(errno));
    return EXIT_FAILURE;
  }
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0 && (errno == EMFILE || errno == ENFILE)) ::poll(nullptr, 0, 100);
    if (client < 0) continue;
    echo(client);
    ::close(client);
  }
}
