#include "accept_failure.hpp"

#include <poll.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

bool survive_accept_failure(int error) {
  switch (error) {
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
      std::fprintf(stderr, "accept: %s (%s)\n", ::strerrorname_np(error), std::strerror(error));
      return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      std::fprintf(stderr, "accept: %s (%s): waiting\n", ::strerrorname_np(error),
                   std::strerror(error));
      ::poll(nullptr, 0, 100);
      return true;
    default:
      return true;
  }
}
