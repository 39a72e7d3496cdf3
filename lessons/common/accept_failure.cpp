#include "accept_failure.hpp"

#include <poll.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

void say(int error, const char* what_now) {
  std::fprintf(stderr, "accept: %s (%s)%s\n", ::strerrorname_np(error), std::strerror(error),
               what_now);
}

}  // namespace

bool survive_accept_failure(int error) {
  switch (error) {
    case EAGAIN:
    case ECONNABORTED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EPERM:
    case EPROTO:
    case ETIMEDOUT:
      return true;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      say(error, ": waiting");
      ::poll(nullptr, 0, 100);
      return true;
    default:
      say(error, "");
      return false;
  }
}
