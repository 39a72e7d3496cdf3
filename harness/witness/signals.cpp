// Signals: man 2 sigaction. A handler is installed behind one of ours, which notes the delivery.
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wrap.hpp"

using witness::Call;
using witness::Kind;
using witness::observed;

namespace {

NEXT(sigaction)
NEXT(sigprocmask)
NEXT(pthread_sigmask)
NEXT(sigwait)

// What the program has asked for. It may be called by a handler that has begun before it changed.
struct Handler {
  std::atomic<void*> function;
  std::atomic<int> flags;
  std::atomic<bool> installed;
};
Handler handlers[NSIG];

void note(Kind kind, int number, const siginfo_t* info, int error, const witness::Frames& frames) {
  witness::record({.kind = kind,
                   .call = static_cast<std::uint8_t>(number),
                   .error = error,
                   .first = info != nullptr ? info->si_code : 0,
                   .second = info != nullptr ? info->si_pid : 0},
                  frames);
}

witness::Frames place(const void* context) {
  return witness::ring() != nullptr ? witness::interrupted(context) : witness::Frames{};
}

void on_signal(int number, siginfo_t* info, void* context) {
  const Handler& handler = handlers[number];
  void* const function = handler.function.load(std::memory_order_acquire);
  if (function == nullptr) return;
  note(Kind::kSignal, number, info, 0, place(context));
  const int error = errno;
  if ((handler.flags.load(std::memory_order_relaxed) & SA_SIGINFO) != 0) {
    reinterpret_cast<void (*)(int, siginfo_t*, void*)>(function)(number, info, context);
  } else {
    reinterpret_cast<void (*)(int)>(function)(number);
  }
  note(Kind::kReturn, number, info, errno != error ? errno : 0, {});
}

// What ends the process by default is noted, with the place, and then it ends it all the same.
void on_crash(int number, siginfo_t* info, void* context) {
  note(Kind::kSignal, number, info, 0, place(context));
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  next_sigaction(number, &by_default, nullptr);
  // A fault is repeated by what has caused it; a signal that was sent would be lost.
  if (info->si_code <= 0) ::syscall(SYS_tgkill, ::getpid(), ::syscall(SYS_gettid), number);
}

// The grader asks each thread where it is.
void on_question(int number, siginfo_t*, void* context) {
  const int error = errno;
  note(Kind::kSample, number, nullptr, 0, witness::interrupted(context));
  errno = error;
}

bool is_function(void* handler) {
  return handler != reinterpret_cast<void*>(SIG_DFL) &&
         handler != reinterpret_cast<void*>(SIG_IGN) && handler != reinterpret_cast<void*>(SIG_ERR);
}

void* function_of(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 ? reinterpret_cast<void*>(action.sa_sigaction)
                                             : reinterpret_cast<void*>(action.sa_handler);
}

// The program sees what it has installed, not what stands before it.
void hide_ours(struct sigaction& action, void* function, int flags) {
  void* const found = function_of(action);
  if (found == reinterpret_cast<void*>(on_signal)) {
    action.sa_flags = (action.sa_flags & ~SA_SIGINFO) | (flags & SA_SIGINFO);
    if ((flags & SA_SIGINFO) != 0) {
      action.sa_sigaction = reinterpret_cast<void (*)(int, siginfo_t*, void*)>(function);
    } else {
      action.sa_handler = reinterpret_cast<void (*)(int)>(function);
    }
  } else if (found == reinterpret_cast<void*>(on_crash) ||
             found == reinterpret_cast<void*>(on_question)) {
    action = {};
    action.sa_handler = SIG_DFL;
  }
}

int install(int number, const struct sigaction* action, struct sigaction* before) {
  if (number < 1 || number >= NSIG) return next_sigaction(number, action, before);
  Handler& handler = handlers[number];
  void* const old_function = handler.function.load();
  const int old_flags = handler.flags.load();
  struct sigaction ours;
  const bool handled = action != nullptr && is_function(function_of(*action));
  if (handled) {
    ours = *action;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = on_signal;
    // First what is behind it: the signal may come before the next line.
    handler.flags.store(action->sa_flags);
    handler.function.store(function_of(*action), std::memory_order_release);
  }
  const int result = next_sigaction(number, handled ? &ours : action, before);
  if (result != 0 && handled) {
    handler.function.store(old_function);
    handler.flags.store(old_flags);
  }
  if (result == 0 && action != nullptr) handler.installed.store(handled);
  if (result == 0 && before != nullptr) hide_ours(*before, old_function, old_flags);
  return result;
}

// What is installed: 0 the default, 1 to ignore it, 2 a handler, -1 only a question.
long what(const struct sigaction* action) {
  if (action == nullptr) return -1;
  if (is_function(function_of(*action))) return 2;
  return action->sa_handler == SIG_IGN ? 1 : 0;
}

void watch_for(int number, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction found {};
  if (next_sigaction(number, nullptr, &found) != 0 || found.sa_handler != SIG_DFL) return;
  struct sigaction ours {};
  ours.sa_sigaction = handler;
  ours.sa_flags = SA_SIGINFO | flags;
  next_sigaction(number, &ours, nullptr);
}

}  // namespace

namespace witness {

bool eintr_is_possible() {
  for (const Handler& handler : handlers) {
    if (handler.installed.load(std::memory_order_relaxed) &&
        (handler.flags.load(std::memory_order_relaxed) & SA_RESTART) == 0) {
      return true;
    }
  }
  return false;
}

void watch_signals() {
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
    watch_for(number, on_crash, SA_NODEFER);
  watch_for(SIGRTMAX, on_question, SA_RESTART);
}

}  // namespace witness

VISIBLE int sigaction(int number, const struct sigaction* action,
                      struct sigaction* before) noexcept {
  const long flags = action != nullptr ? static_cast<long>(action->sa_flags) & 0xffffffff : 0;
  return observed({Call::k_sigaction, -1, number, what(action) << 32 | flags}, HERE,
                  [&](std::size_t) { return install(number, action, before); });
}

// As glibc has it: what is interrupted goes on by itself (BSD's signal, man 2 signal).
VISIBLE sighandler_t signal(int number, sighandler_t function) noexcept {
  struct sigaction action {
  }, before{};
  action.sa_handler = function;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  const int result = observed({Call::k_signal, -1, number, what(&action) << 32 | SA_RESTART}, HERE,
                              [&](std::size_t) { return install(number, &action, &before); });
  return result == 0 ? before.sa_handler : SIG_ERR;
}

VISIBLE int sigprocmask(int how, const sigset_t* set, sigset_t* before) noexcept {
  return observed({Call::k_sigprocmask, -1, set != nullptr ? how : -1}, HERE,
                  [&](std::size_t) { return next_sigprocmask(how, set, before); });
}

VISIBLE int pthread_sigmask(int how, const sigset_t* set, sigset_t* before) noexcept {
  witness::Seen seen({Call::k_pthread_sigmask, -1, set != nullptr ? how : -1}, HERE);
  const int error = next_pthread_sigmask(how, set, before);
  seen.ended(error, error);
  return error;
}

VISIBLE int sigwait(const sigset_t* set, int* number) {
  witness::Seen seen({Call::k_sigwait}, HERE);
  const int error = next_sigwait(set, number);
  seen.ended(error, error, error == 0 ? *number : 0);
  return error;
}
