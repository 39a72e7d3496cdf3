// One process and one thread, and yet no client waits for another: epoll says which of them has sent
// something. A client that does not read is asked for nothing more until it has.
// command: ./serves_many_with_epoll {port}
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace {

std::map<int, std::string> unsent;  // by client

// Sends what is there to send; reads only when all of it is gone. False when the client is done.
bool serve(int client) {
  std::string& data = unsent[client];
  if (data.empty()) {
    data.resize(16 * 1024);
    const ssize_t count = ::recv(client, data.data(), data.size(), MSG_DONTWAIT);
    const bool nothing_yet = count < 0 && (errno == EAGAIN || errno == EINTR);
    data.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count <= 0) return nothing_yet;
  }
  const ssize_t sent = ::send(client, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  data.erase(0, static_cast<std::size_t>(sent));
  return true;
}

void watch(int epoll, int operation, int fd, std::uint32_t events) {
  epoll_event wanted{events, {.fd = fd}};
  ::epoll_ctl(epoll, operation, fd, &wanted);
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
  const int epoll = ::epoll_create1(0);
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
  for (;;) {
    epoll_event event;
    if (::epoll_wait(epoll, &event, 1, -1) < 1) continue;
    const int ready = event.data.fd;
    if (ready == listener) {
      const int client = ::accept(listener, nullptr, nullptr);
      if (client >= 0) watch(epoll, EPOLL_CTL_ADD, client, EPOLLIN);
      if (client < 0 && (errno == EMFILE || errno == ENFILE)) ::poll(nullptr, 0, 100);
    } else if (serve(ready)) {
      watch(epoll, EPOLL_CTL_MOD, ready, unsent[ready].empty() ? EPOLLIN : EPOLLOUT);
    } else {
      unsent.erase(ready);
      ::close(ready);
    }
  }
}
