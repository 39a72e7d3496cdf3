// Birth, end and inheritance: man 2 fork, wait, _exit, kill.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "wrap.hpp"

using witness::About;
using witness::Call;
using witness::observed;

extern "C" pid_t _Fork(void) noexcept;

namespace {

NEXT(fork)
NEXT(_Fork)
NEXT(wait)
NEXT(waitpid)
NEXT(wait3)
NEXT(wait4)
NEXT(waitid)
NEXT(exit)
NEXT(_exit)
NEXT(kill)

// `make` has two returns. The child's first event is its birth; only the parent has seen a call.
template <typename Make>
[[gnu::always_inline]] inline pid_t forked(const void* frame, const void* site, Make make) {
  witness::Seen seen({Call::k_fork}, frame, site);
  const witness::Disturbance disturbed = witness::disturbance(Call::k_fork, -1);
  pid_t child = -1;
  if (disturbed.error != 0) {
    errno = disturbed.error;
  } else {
    child = make();
  }
  if (child == 0) {
    witness::record_birth();
  } else {
    seen.ended(child, child == -1 ? errno : 0);
  }
  return child;
}

// What a wait has to say besides the pid: the first argument after it is the child's wait status.
template <typename Body>
[[gnu::always_inline]] inline pid_t waited(const About& about, const int* status, const void* frame,
                                           const void* site, Body body) {
  witness::Seen seen(about, frame, site);
  const witness::Disturbance disturbed = witness::disturbance(about.call, -1);
  pid_t child = -1;
  if (disturbed.error != 0) {
    errno = disturbed.error;
  } else {
    child = body();
  }
  seen.ended(child, child == -1 ? errno : 0, child > 0 ? *status : 0);
  return child;
}

[[gnu::always_inline]] inline void ended(int status, const void* frame, const void* site) {
  witness::record({.kind = witness::Kind::kEnd, .call = witness::kProcess, .result = status},
                  frame != nullptr ? witness::callers(frame, site) : witness::Frames{});
}

// Of a process that ends by exit(), or by returning from main().
[[gnu::destructor]] void note_end() { ended(0, nullptr, nullptr); }

}  // namespace

VISIBLE pid_t fork() noexcept {
  return forked(HERE, [] { return next_fork(); });
}

VISIBLE pid_t _Fork() noexcept {
  return forked(HERE, [] { return next__Fork(); });
}

// A vfork() that returned twice from here would return into a frame that is gone. A fork is what the
// standard allows in its place.
VISIBLE pid_t vfork() noexcept {
  return forked(HERE, [] { return next_fork(); });
}

VISIBLE pid_t wait(int* status) {
  int own = 0;
  int* const place = status != nullptr ? status : &own;
  return waited({Call::k_wait, -1, 0, -1}, place, HERE, [&] { return next_wait(place); });
}

VISIBLE pid_t waitpid(pid_t pid, int* status, int options) {
  int own = 0;
  int* const place = status != nullptr ? status : &own;
  return waited({Call::k_waitpid, -1, options, pid}, place, HERE,
                [&] { return next_waitpid(pid, place, options); });
}

VISIBLE pid_t wait3(int* status, int options, struct rusage* usage) noexcept {
  int own = 0;
  int* const place = status != nullptr ? status : &own;
  return waited({Call::k_wait3, -1, options, -1}, place, HERE,
                [&] { return next_wait3(place, options, usage); });
}

VISIBLE pid_t wait4(pid_t pid, int* status, int options, struct rusage* usage) noexcept {
  int own = 0;
  int* const place = status != nullptr ? status : &own;
  return waited({Call::k_wait4, -1, options, pid}, place, HERE,
                [&] { return next_wait4(pid, place, options, usage); });
}

VISIBLE int waitid(idtype_t type, id_t id, siginfo_t* about, int options) {
  return observed({Call::k_waitid, -1, options, static_cast<long>(id)}, HERE,
                  [&](std::size_t) { return next_waitid(type, id, about, options); });
}

VISIBLE void exit(int status) noexcept {
  witness::Seen seen({Call::k_exit, -1, status}, HERE);
  next_exit.get()(status);
  __builtin_unreachable();
}

VISIBLE void _exit(int status) {
  ended(status, HERE);
  next__exit.get()(status);
  __builtin_unreachable();
}

VISIBLE void _Exit(int status) noexcept {
  ended(status, HERE);
  next__exit.get()(status);
  __builtin_unreachable();
}

VISIBLE int kill(pid_t pid, int number) noexcept {
  return observed({Call::k_kill, -1, number, pid}, HERE,
                  [&](std::size_t) { return next_kill(pid, number); });
}
