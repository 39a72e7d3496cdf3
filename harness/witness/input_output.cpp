// Sockets and bytes: the calls of man 2 socket, bind, listen, accept, read, write, close and their kin.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>

#include "wrap.hpp"

using witness::About;
using witness::Call;
using witness::observed;

extern "C" {
ssize_t __read_chk(int, void*, std::size_t, std::size_t);
ssize_t __recv_chk(int, void*, std::size_t, std::size_t, int);
ssize_t __recvfrom_chk(int, void*, std::size_t, std::size_t, int, sockaddr*, socklen_t*);
}

namespace {

NEXT(socket)
NEXT(setsockopt)
NEXT(bind)
NEXT(listen)
NEXT(accept)
NEXT(accept4)
NEXT(connect)
NEXT(read)
NEXT(readv)
NEXT(recv)
NEXT(recvfrom)
NEXT(recvmsg)
NEXT(write)
NEXT(writev)
NEXT(send)
NEXT(sendto)
NEXT(sendmsg)
NEXT(close)
NEXT(open64)
NEXT(dup)
NEXT(dup2)
NEXT(shutdown)
NEXT(__read_chk)
NEXT(__recv_chk)
NEXT(__recvfrom_chk)

About about(Call call, int fd, std::size_t size, int flags = 0) {
  return {call, fd, static_cast<long>(size), flags};
}

// Of an IPv4 address: the port and the host, as numbers of this machine.
About about(Call call, int fd, const sockaddr* address, socklen_t size) {
  if (address == nullptr || size < sizeof(sockaddr_in) || address->sa_family != AF_INET) {
    return {call, fd};
  }
  const auto& internet = reinterpret_cast<const sockaddr_in&>(*address);
  return {call, fd, ntohs(internet.sin_port), ntohl(internet.sin_addr.s_addr)};
}

}  // namespace

VISIBLE int socket(int domain, int type, int protocol) noexcept {
  return observed({Call::k_socket, -1, domain, type}, HERE,
                  [&](std::size_t) { return next_socket(domain, type, protocol); });
}

VISIBLE int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  return observed({Call::k_setsockopt, fd, option, level}, HERE,
                  [&](std::size_t) { return next_setsockopt(fd, level, option, value, size); });
}

VISIBLE int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  return observed(about(Call::k_bind, fd, address, size), HERE,
                  [&](std::size_t) { return next_bind(fd, address, size); });
}

VISIBLE int listen(int fd, int backlog) noexcept {
  return observed({Call::k_listen, fd, backlog}, HERE,
                  [&](std::size_t) { return next_listen(fd, backlog); });
}

VISIBLE int accept(int fd, sockaddr* address, socklen_t* size) {
  return observed({Call::k_accept, fd}, HERE,
                  [&](std::size_t) { return next_accept(fd, address, size); });
}

VISIBLE int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return observed({Call::k_accept4, fd, flags}, HERE,
                  [&](std::size_t) { return next_accept4(fd, address, size, flags); });
}

VISIBLE int connect(int fd, const sockaddr* address, socklen_t size) {
  return observed(about(Call::k_connect, fd, address, size), HERE,
                  [&](std::size_t) { return next_connect(fd, address, size); });
}

VISIBLE ssize_t read(int fd, void* data, std::size_t size) {
  return observed(about(Call::k_read, fd, size), HERE,
                  [&](std::size_t most) { return next_read(fd, data, std::min(size, most)); });
}

VISIBLE ssize_t __read_chk(int fd, void* data, std::size_t size, std::size_t room) {
  return observed(about(Call::k_read, fd, size), HERE, [&](std::size_t most) {
    return next___read_chk(fd, data, std::min(size, most), room);
  });
}

VISIBLE ssize_t readv(int fd, const iovec* parts, int count) {
  return observed({Call::k_readv, fd, count}, HERE,
                  [&](std::size_t) { return next_readv(fd, parts, count); });
}

VISIBLE ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  return observed(about(Call::k_recv, fd, size, flags), HERE, [&](std::size_t most) {
    return next_recv(fd, data, std::min(size, most), flags);
  });
}

VISIBLE ssize_t __recv_chk(int fd, void* data, std::size_t size, std::size_t room, int flags) {
  return observed(about(Call::k_recv, fd, size, flags), HERE, [&](std::size_t most) {
    return next___recv_chk(fd, data, std::min(size, most), room, flags);
  });
}

VISIBLE ssize_t recvfrom(int fd, void* data, std::size_t size, int flags, sockaddr* address,
                         socklen_t* length) {
  return observed(about(Call::k_recvfrom, fd, size, flags), HERE, [&](std::size_t most) {
    return next_recvfrom(fd, data, std::min(size, most), flags, address, length);
  });
}

VISIBLE ssize_t __recvfrom_chk(int fd, void* data, std::size_t size, std::size_t room, int flags,
                               sockaddr* address, socklen_t* length) {
  return observed(about(Call::k_recvfrom, fd, size, flags), HERE, [&](std::size_t most) {
    return next___recvfrom_chk(fd, data, std::min(size, most), room, flags, address, length);
  });
}

VISIBLE ssize_t recvmsg(int fd, msghdr* message, int flags) {
  return observed({Call::k_recvmsg, fd, 0, flags}, HERE,
                  [&](std::size_t) { return next_recvmsg(fd, message, flags); });
}

VISIBLE ssize_t write(int fd, const void* data, std::size_t size) {
  return observed(about(Call::k_write, fd, size), HERE,
                  [&](std::size_t most) { return next_write(fd, data, std::min(size, most)); });
}

VISIBLE ssize_t writev(int fd, const iovec* parts, int count) {
  return observed({Call::k_writev, fd, count}, HERE,
                  [&](std::size_t) { return next_writev(fd, parts, count); });
}

VISIBLE ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  return observed(about(Call::k_send, fd, size, flags), HERE, [&](std::size_t most) {
    return next_send(fd, data, std::min(size, most), flags);
  });
}

VISIBLE ssize_t sendto(int fd, const void* data, std::size_t size, int flags,
                       const sockaddr* address, socklen_t length) {
  return observed(about(Call::k_sendto, fd, size, flags), HERE, [&](std::size_t most) {
    return next_sendto(fd, data, std::min(size, most), flags, address, length);
  });
}

VISIBLE ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return observed({Call::k_sendmsg, fd, 0, flags}, HERE,
                  [&](std::size_t) { return next_sendmsg(fd, message, flags); });
}

VISIBLE int close(int fd) {
  return observed({Call::k_close, fd}, HERE, [&](std::size_t) { return next_close(fd); });
}

// On these machines a file's offset has 64 bits, whatever a program has asked for.
VISIBLE int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  return observed({Call::k_open, -1, flags}, HERE,
                  [&](std::size_t) { return next_open64(path, flags, mode); });
}

// The name without 64, which the headers give to open64 here; and the fortified ones.
extern "C" [[gnu::alias("open64"), gnu::visibility("default"), gnu::nonnull(1)]] int plain_open(
    const char*, int, ...) __asm__("open");

VISIBLE int __open64_2(const char* path, int flags) {
  return observed({Call::k_open, -1, flags}, HERE,
                  [&](std::size_t) { return next_open64(path, flags, 0U); });
}

extern "C" [[gnu::alias("__open64_2"), gnu::visibility("default")]] int __open_2(const char*, int);

VISIBLE int dup(int fd) noexcept {
  return observed({Call::k_dup, fd}, HERE, [&](std::size_t) { return next_dup(fd); });
}

VISIBLE int dup2(int fd, int wanted) noexcept {
  return observed({Call::k_dup2, fd, wanted}, HERE,
                  [&](std::size_t) { return next_dup2(fd, wanted); });
}

VISIBLE int shutdown(int fd, int how) noexcept {
  return observed({Call::k_shutdown, fd, how}, HERE,
                  [&](std::size_t) { return next_shutdown(fd, how); });
}
