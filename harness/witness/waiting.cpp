// Waiting for several descriptors, or for time: man 2 poll, select, epoll_wait, nanosleep.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include <ctime>

#include "wrap.hpp"

using witness::Call;
using witness::observed;

extern "C" {
int __poll_chk(pollfd*, nfds_t, int, std::size_t);
int __ppoll_chk(pollfd*, nfds_t, const timespec*, const sigset_t*, std::size_t);
}

namespace {

NEXT(poll)
NEXT(ppoll)
NEXT(__poll_chk)
NEXT(__ppoll_chk)
NEXT(select)
NEXT(pselect)
NEXT(epoll_wait)
NEXT(epoll_pwait)
NEXT(sleep)
NEXT(usleep)
NEXT(nanosleep)
NEXT(clock_nanosleep)

// A time limit in milliseconds, as poll counts it: -1 is none.
long milliseconds(const timespec* limit) {
  return limit == nullptr ? -1 : limit->tv_sec * 1000 + limit->tv_nsec / 1'000'000;
}

long milliseconds(const timeval* limit) {
  return limit == nullptr ? -1 : limit->tv_sec * 1000 + limit->tv_usec / 1000;
}

// The descriptor that is waited for, where there is one only.
int only(const pollfd* fds, nfds_t count) { return fds != nullptr && count == 1 ? fds->fd : -1; }

}  // namespace

VISIBLE int poll(pollfd* fds, nfds_t count, int limit) {
  return observed({Call::k_poll, only(fds, count), static_cast<long>(count), limit}, HERE,
                  [&](std::size_t) { return next_poll(fds, count, limit); });
}

VISIBLE int __poll_chk(pollfd* fds, nfds_t count, int limit, std::size_t room) {
  return observed({Call::k_poll, only(fds, count), static_cast<long>(count), limit}, HERE,
                  [&](std::size_t) { return next___poll_chk(fds, count, limit, room); });
}

VISIBLE int ppoll(pollfd* fds, nfds_t count, const timespec* limit, const sigset_t* mask) {
  return observed({Call::k_ppoll, only(fds, count), static_cast<long>(count), milliseconds(limit)},
                  HERE, [&](std::size_t) { return next_ppoll(fds, count, limit, mask); });
}

VISIBLE int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* limit, const sigset_t* mask,
                        std::size_t room) {
  return observed({Call::k_ppoll, only(fds, count), static_cast<long>(count), milliseconds(limit)},
                  HERE,
                  [&](std::size_t) { return next___ppoll_chk(fds, count, limit, mask, room); });
}

VISIBLE int select(int count, fd_set* in, fd_set* out, fd_set* special, timeval* limit) {
  return observed({Call::k_select, -1, count, milliseconds(limit)}, HERE,
                  [&](std::size_t) { return next_select(count, in, out, special, limit); });
}

VISIBLE int pselect(int count, fd_set* in, fd_set* out, fd_set* special, const timespec* limit,
                    const sigset_t* mask) {
  return observed({Call::k_pselect, -1, count, milliseconds(limit)}, HERE,
                  [&](std::size_t) { return next_pselect(count, in, out, special, limit, mask); });
}

VISIBLE int epoll_wait(int fd, epoll_event* events, int count, int limit) {
  return observed({Call::k_epoll_wait, fd, count, limit}, HERE,
                  [&](std::size_t) { return next_epoll_wait(fd, events, count, limit); });
}

VISIBLE int epoll_pwait(int fd, epoll_event* events, int count, int limit, const sigset_t* mask) {
  return observed({Call::k_epoll_pwait, fd, count, limit}, HERE,
                  [&](std::size_t) { return next_epoll_pwait(fd, events, count, limit, mask); });
}

VISIBLE unsigned sleep(unsigned seconds) {
  witness::Seen seen({Call::k_sleep, -1, 0, static_cast<long>(seconds) * 1000}, HERE);
  const unsigned left = next_sleep(seconds);
  seen.ended(left, 0);
  return left;
}

VISIBLE int usleep(useconds_t microseconds) {
  return observed({Call::k_usleep, -1, 0, static_cast<long>(microseconds) / 1000}, HERE,
                  [&](std::size_t) { return next_usleep(microseconds); });
}

VISIBLE int nanosleep(const timespec* time, timespec* left) {
  return observed({Call::k_nanosleep, -1, 0, milliseconds(time)}, HERE,
                  [&](std::size_t) { return next_nanosleep(time, left); });
}

VISIBLE int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* left) {
  witness::Seen seen({Call::k_clock_nanosleep, -1, flags, milliseconds(time)}, HERE);
  const int error = next_clock_nanosleep(clock, flags, time, left);
  seen.ended(error, error);
  return error;
}
