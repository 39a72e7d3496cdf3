// Lesson 1, single process: your server.
//
// Six chapters, one a step, in the order in which to write them. server.hpp says what each function
// promises; README.md says why. Keep the #region markers: the grader finds your steps by them, and
// grades each by itself too. So what a step needs, helpers of your own say, stands in its chapter.
//
//   harness/lab check 1        builds this file, runs it as a real server, and grades it
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
// TODO(step 1): make a TCP socket, give it the address host:port, and listen. For now there is none,
// and main() says so and ends.
int open_listener(const char* host, std::uint16_t port) {
  errno = ENOSYS;
  return -1;
}
// #endregion step-1

// #region step-2
// TODO(step 2): wait for a client and return its descriptor, also when a signal interrupts the wait.
// For now nobody is let in.
int accept_client(int listener) {
  errno = ENOSYS;
  return -1;
}
// #endregion step-2

// #region step-3
// TODO(step 3): read what has arrived, also when a signal interrupts the wait. For now nothing is.
ssize_t read_some(int fd, char* data, std::size_t size) {
  errno = ENOSYS;
  return -1;
}
// #endregion step-3

// #region step-4
// TODO(step 4): write every byte, and survive a client that is gone. For now nothing is sent, which
// makes step 3's server a discard server (RFC 863).
bool write_all(int fd, const char* data, std::size_t size) {
  errno = ENOSYS;
  return false;
}
// #endregion step-4

// #region step-5
// TODO(step 5): this loop echoes, but has no way out. Return when the client has sent its last byte,
// when reading fails and when writing fails, with the number of bytes echoed.
std::uint64_t echo_client(int client) {
  char data[16 * 1024];
  for (;;) {
    const ssize_t count = read_some(client, data, sizeof data);
    if (count < 0) ::pause();  // stands still until a signal comes, then tries again
    if (count > 0) write_all(client, data, static_cast<std::size_t>(count));
  }
}
// #endregion step-5

// #region step-6
// TODO(step 6): this serves one client, then ends. Serve one after another, for ever; and when accept
// fails, survive it (see accept_failure.hpp).
int serve(int listener, const Options& options) {
  const unique_fd client(accept_client(listener));
  if (!client) ::pause();  // stands still until a signal comes
  if (!client) return 1;
  Visit visit(client.get());
  visit.echoed(echo_client(client.get()));
  return 0;
}
// #endregion step-6
