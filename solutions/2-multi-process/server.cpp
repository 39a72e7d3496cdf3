// Lesson 2, multi process: the finished server. Shows what fork copies and what it shares, how the
// end of a child is learnt, and what signals do to calls that block. Read lesson 1's first.
#include "server.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "accept_failure.hpp"
#include "visit.hpp"

// #region step-1
// Step 1: fork() copies the process, and the copy has a descriptor for everything that was open. A
// connection ends when the last descriptor of it is closed, a listener likewise. So each side closes
// what is the other's: else the client never sees its end of file, and the port stays taken for as
// long as one child lives.
pid_t start_child(int listener, unique_fd client) {
  // The child begins with our signal handlers. SIGTERM waits until it has put them back: in the
  // child, our handler would shut down the listener, which both share, and the child would live on.
  sigset_t sigterm, before;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &sigterm, &before);

  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGCHLD, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    ::close(listener);
    {
      Visit visit(client.get());
      visit.echoed(echo_client(client.get()));
    }
    // Not exit(): what stdio has buffered and atexit() has noted was copied too, and belongs to the
    // parent. The kernel closes the client.
    ::_exit(0);
  }

  const int error = errno;  // of fork, in case it failed
  client.reset();
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return child;
}
// #endregion step-1

// #region step-2
// Step 2: an ended child stays in the process table, as a zombie, until its parent has asked how it
// ended. Ask until nobody is left to ask about: signals of one kind do not queue, so one SIGCHLD may
// stand for many children. WNOHANG: a child that lives would hold us up for as long as it does.
void reap_children() {
  // When called from a handler, this runs between some call's return and its caller's look at errno.
  const int error = errno;
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  errno = error;
}
// #endregion step-2

// #region step-3
// Step 3: lesson 1's accept_client, but for one thing: a signal may now mean that we are to stop.
int next_client(int listener) {
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0 || errno != EINTR || stop_requested) return client;
  }
}
// #endregion step-3

// #region step-4
// Step 4: a child may end while we sleep in accept. Without SA_RESTART in its flags, the handler's
// return makes accept fail with EINTR; with it, the kernel would call accept again by itself. No
// signal is more urgent than another here: the flags decide, and the same holds for SIGUSR1.
bool install_sigchld_handler() {
  struct sigaction action {};
  action.sa_handler = [](int) { reap_children(); };
  action.sa_flags = SA_NOCLDSTOP;  // a child that is stopped or continued leaves nothing to reap
  return ::sigaction(SIGCHLD, &action, nullptr) == 0;
}
// #endregion step-4

// #region step-5
// Step 5: accept fails for want of descriptors, fork for want of processes or memory. Both pass, so
// they may cost a client, but never the server: its other clients have done nothing.
int serve(int listener, const Options&) {
  if (!install_sigchld_handler() || !install_stop_handler(listener)) return 1;
  std::vector<pid_t> children;  // that may still live
  for (;;) {
    unique_fd client(next_client(listener));
    const int error = errno;
    reap_children();  // those whose signal came before its handler was there
    if (stop_requested || (!client && error == EINTR)) break;
    if (!client) {
      if (!survive_accept_failure(error)) return 1;
      continue;
    }

    const pid_t child = start_child(listener, std::move(client));
    if (child < 0) {
      std::fprintf(stderr, "fork: %s (%s): one client lost\n", ::strerrorname_np(errno),
                   std::strerror(errno));
    }
    // kill with signal 0 sends nothing; it only asks whether there is such a process.
    std::erase_if(children, [](pid_t pid) { return ::kill(pid, 0) != 0; });
    if (child > 0) children.push_back(child);
  }
  stop_children(children);
  return 0;
}
// #endregion step-5

// #region step-6
namespace {
int listener_to_stop = -1;
}

// Step 6: the flag alone would come too late when SIGTERM arrives after the last look at it and
// before accept sleeps: nothing would wake that accept. A listener that is shut down stays so:
// whoever sleeps in accept wakes, and every later accept fails at once, with EINVAL.
bool install_stop_handler(int listener) {
  listener_to_stop = listener;
  struct sigaction action {};
  action.sa_handler = [](int) {
    const int error = errno;
    stop_requested = 1;
    ::shutdown(listener_to_stop, SHUT_RD);
    errno = error;
  };
  return ::sigaction(SIGTERM, &action, nullptr) == 0;
}

// The ids that we noted may be out of date: once a child has been reaped, its id may be given to a
// stranger. So ask the kernel whose it is. While SIGCHLD is blocked nobody reaps but us, and what
// waitpid calls a living child of ours is still that one when kill is called.
void stop_children(const std::vector<pid_t>& children) {
  sigset_t sigchld, before;
  ::sigemptyset(&sigchld);
  ::sigaddset(&sigchld, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &sigchld, &before);
  for (const pid_t child : children) {
    if (::waitpid(child, nullptr, WNOHANG) != 0) continue;
    ::kill(child, SIGTERM);
    ::kill(child, SIGCONT);  // a stopped process takes its SIGTERM only when it goes on
  }
  // SIGTERM ends them, for start_child put it back to its default; so this wait has an end.
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}
// #endregion step-6
