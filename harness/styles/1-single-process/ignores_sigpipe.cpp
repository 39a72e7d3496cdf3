// SIGPIPE is ignored for the whole process instead of for each send, and every handler restarts what
// it interrupts (SA_RESTART), so that no call ever says EINTR. SIGTERM ends it with status 0.
// command: ./ignores_sigpipe --port {port} --host {host}
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

void on(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

bool send_all(int client, const char* data, ssize_t size) {
  while (size > 0) {
    const ssize_t sent = ::write(client, data, static_cast<std::size_t>(size));
    if (sent < 0) return false;
    data += sent;
    size -= sent;
  }
  return true;
}

}  // namespace

int main(int, char** argv) {
  on(SIGPIPE, SIG_IGN);
  on(SIGUSR1, [](int) {});
  on(SIGTERM, [](int) { ::_exit(EXIT_SUCCESS); });

  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[2])));
  ::inet_pton(AF_INET, argv[4], &address.sin_addr);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 5) != 0) {
    std::perror("ignores_sigpipe");
    return EXIT_FAILURE;
  }
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) {
      if (errno == EMFILE || errno == ENFILE) ::poll(nullptr, 0, 100);
      continue;
    }
    char data[1024];
    ssize_t count;
    while ((count = ::read(client, data, sizeof data)) > 0 && send_all(client, data, count)) {
    }
    ::close(client);
  }
}
