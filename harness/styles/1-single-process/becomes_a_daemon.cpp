// The process that was started ends at once, when the port is its own; a grandchild in a session of
// its own serves.
// command: ./becomes_a_daemon {port}
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

// Returns in the daemon only.
void become_daemon() {
  const pid_t child = ::fork();
  if (child < 0) std::exit(EXIT_FAILURE);
  if (child > 0) {
    int status = EXIT_FAILURE;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    std::exit(status == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  ::setsid();
  const pid_t daemon = ::fork();  // not a session's leader: no terminal can ever become its own
  if (daemon != 0) ::_exit(daemon > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  if (null > STDERR_FILENO) ::close(null);
}

void echo(int client) {
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

}  // namespace

int main(int, char** argv) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[1])));
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    std::perror(argv[1]);
    return EXIT_FAILURE;
  }
  become_daemon();
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
