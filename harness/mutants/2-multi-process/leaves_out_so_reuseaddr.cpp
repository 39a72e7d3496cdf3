// A wrong server: without SO_REUSEADDR, connections of the port that linger or live keep it from
// starting again.
// fails: 2.1.it_starts_again_at_once_on_the_port_it_just_used,
// 2.1.the_port_is_free_once_the_parent_is_gone
// cause: SO_REUSEADDR

// #region step-1
#include <arpa/inet.h>
#include <netinet/in.h>

int open_listener(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener) return -1;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;  // defect
  if (::listen(listener.get(), 128) != 0) return -1;
  return listener.release();
}

// With the echo as well, all of lesson 1 that the program uses is here, and lesson 1's is not linked.
std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  std::uint64_t echoed = 0;
  for (;;) {
    const ssize_t count = ::read(client, data, sizeof data);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return echoed;
    for (ssize_t sent = 0; sent < count;) {
      const std::size_t rest = static_cast<std::size_t>(count - sent);
      const ssize_t now = ::send(client, data + sent, rest, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) return echoed;
      if (now > 0) sent += now;
    }
    echoed += static_cast<std::uint64_t>(count);
  }
}

pid_t start_child(int listener, unique_fd client) {
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &sigterm, &before);

  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(listener);
    echo_client(client.get());
    ::_exit(0);
  }

  const int error = errno;
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1
