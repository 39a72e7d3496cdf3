// Lesson 1, single process: the finished server. Shows the three calls that block, and what each
// can return besides what one hoped for. Read ../../lessons/common/main.cpp first.
#include "server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "accept_failure.hpp"
#include "unique_fd.hpp"
#include "visit.hpp"

// #region step-1
// Step 1: a name for the socket, then a queue for its clients. From listen() on, the kernel completes
// connections by itself and keeps up to 128 of them waiting, whether or not we have asked for one.
int open_listener(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    errno = EINVAL;
    return -1;
  }
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener) return -1;

  // Connections that this side closed stay in TIME_WAIT for a minute after the server has ended, and
  // bind() refuses their port meanwhile. SO_REUSEADDR says that we know; it lets nobody take a port
  // on which somebody listens.
  const int on = 1;
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return -1;
  if (::listen(listener.get(), 128) != 0) return -1;
  return listener.release();
}
// #endregion step-1

// #region step-2
// Step 2: sleeps until the queue holds a client, and takes it out. A signal handler that ran
// meanwhile makes the kernel give up the wait and say EINTR: nothing is wrong, so ask again.
int accept_client(int listener) {
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0 || errno != EINTR) return client;
  }
}
// #endregion step-2

// #region step-3
// Step 3: TCP carries bytes, not messages. read() sleeps while the receive buffer is empty, then
// returns whatever is there: part of what the client wrote, or several of its writes together.
ssize_t read_some(int fd, char* data, std::size_t size) {
  for (;;) {
    const ssize_t count = ::read(fd, data, size);
    if (count >= 0 || errno != EINTR) return count;
  }
}
// #endregion step-3

// #region step-4
// Step 4: the send buffer has a size. While the client does not read, it fills up, and send() sleeps
// until there is room again. A signal wakes it early: with EINTR if it had taken nothing yet, else
// with the count that it took, which is less than we asked. Go on with the rest either way.
bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    // To a client that has gone, a plain write() raises SIGPIPE, which ends the process.
    // MSG_NOSIGNAL makes it the error EPIPE: the loss of one client, not of the server.
    const ssize_t count = ::send(fd, data, size, MSG_NOSIGNAL);
    if (count >= 0) {
      data += count;
      size -= static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}
// #endregion step-4

// #region step-5
// Step 5: the end of file (0) is the client's last word, not a failure. It may only have closed its
// sending half and still be reading, so everything read before goes out before we return.
std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  std::uint64_t echoed = 0;
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data);
    if (count <= 0) return echoed;
    if (!write_all(client, data, static_cast<std::size_t>(count))) return echoed;
    echoed += static_cast<std::uint64_t>(count);
  }
}
// #endregion step-5

// #region step-6
// Step 6: one client at a time. The next one is connected already, by the kernel, and may even have
// sent something: it waits in the listener's queue until the one before has left.
int serve(int listener, const Options&) {
  for (;;) {
    const unique_fd client(accept_client(listener));
    if (!client) {
      if (!survive_accept_failure(errno)) return 1;
      continue;
    }
    Visit visit(client.get());
    visit.echoed(echo_client(client.get()));
    // The end of the block closes the client's descriptor: that is when it is told the end of file.
  }
}
// #endregion step-6
