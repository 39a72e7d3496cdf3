// What these servers have in common: the listener and the echo. They differ in how they look after
// their children.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

inline int listen_on(const char* port, int flags = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(port)));
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
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
  for (;;) {
    const ssize_t count = ::read(client, data, sizeof data);
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

// The next client, or -1: then nobody has come, or descriptors have run out, and we have waited.
inline int next_client(int listener) {
  const int client = ::accept(listener, nullptr, nullptr);
  if (client < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
    ::poll(nullptr, 0, 100);
  return client;
}

// SIGTERM ends the whole process group, at whatever moment it comes: us and every child.
inline void end_all_on_sigterm() {
  ::setpgid(0, 0);  // fails for the leader of a session, who leads a group already
  ::signal(SIGTERM, [](int) {
    ::signal(SIGTERM, SIG_DFL);
    ::kill(0, SIGTERM);
  });
}
