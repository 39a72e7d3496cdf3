// What these servers have in common: the listener, the echo, and the end. They differ in their
// queues and in who accepts.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

inline int listen_on(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(port)));
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    std::perror(port);
    std::exit(EXIT_FAILURE);
  }
  return listener;
}

inline void echo(int client) {
  char data[4096];
  for (bool gone = false; !gone;) {
    const ssize_t count = ::read(client, data, sizeof data);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    for (ssize_t sent = 0; sent < count && !gone;) {
      const std::size_t rest = static_cast<std::size_t>(count - sent);
      const ssize_t now = ::send(client, data + sent, rest, MSG_NOSIGNAL);
      if (now > 0) sent += now;
      gone = now < 0 && errno != EINTR;
    }
  }
}

// Serves `client` until it leaves, and closes it.
inline void serve(int client) {
  echo(client);
  ::close(client);
}

// The next client, whatever fails before it comes; -1 once the listener has been shut down.
inline int next_client(int listener) {
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0 || errno == EINVAL) return client;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      ::poll(nullptr, 0, 100);
    }
  }
}

// SIGTERM ends the process with status 0, from whichever thread it finds: the kernel closes all
// connections, and their clients see the end of file.
inline void end_on_sigterm() {
  ::signal(SIGTERM, [](int) { ::_exit(0); });
}
