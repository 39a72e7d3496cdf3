// Sockets and bytes: the calls of man 2 socket, bind, listen, accept, read, write, close and their kin.
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

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
NEXT(shutdown)
NEXT(__read_chk)
NEXT(__recv_chk)
NEXT(__recvfrom_chk)

About about(Call call, int fd, std::size_t size, int flags = 0) {
  return {call, fd, static_cast<long>(size), flags};
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
  return observed({Call::k_bind, fd}, HERE,
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
  return observed({Call::k_connect, fd}, HERE,
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

VISIBLE int shutdown(int fd, int how) noexcept {
  return observed({Call::k_shutdown, fd, how}, HERE,
                  [&](std::size_t) { return next_shutdown(fd, how); });
}
