// warden: runs one server so that nothing of it outlives its grading.
//
//   warden --control FD --output FD [--disturb] [--most-tasks N] [--same-session] [--uid N]
//          -- PROGRAM ARG...
//
// It shows how to hold on to processes that do not want to be held (daemons, fork bombs), how to
// learn how a process really ended, and how to keep an endless output in bounded memory.
// Three processes:
//
//   outer   what the grader started. Waits for init: when outer has ended, nothing is left.
//    └ init   pid 1 of a PID namespace of its own: with it, the kernel ends all that is in there.
//       │     Where namespaces are not allowed, a "child subreaper" hunts its descendants down.
//       └ server   the graded program, in a session of its own, so that no terminal is in its reach
//                  (with --same-session, in ours; with --uid, another user's).
//
// On the control socket (SOCK_SEQPACKET, one text a packet) the grader reads
//
//   confined pid-namespace | user-namespace | subreaper     how init holds the server
//   started           from the server just before its exec: the credentials carry its pid
//   exec-failed ERRNO
//   ended STATUS      the server's wait status, once all it wrote is saved; a child may live on
//   failed TEXT       the warden itself could not do its work
//   armed             the order to make a call fail is taken (with --disturb, see disturb.hpp):
//   disturbed CALL    that call has failed
//   halted N          it had N processes and threads, more than --most-tasks: all stand still now
//
// and when the grader closes its end, or dies, all of it is killed. The output file holds a Stream
// (below) for stdout and one for stderr. Exit status: 0, or 1 after `failed`, or 2 for wrong usage.
//
// Read first: pid_namespaces(7), PR_SET_CHILD_SUBREAPER in prctl(2), signalfd(2), pidfd_open(2).

#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "disturb.hpp"

namespace {

constexpr std::size_t kKept = 65536;
constexpr int kTryNextWay = 3;  // init's exit status when it could not confine itself

// One stream in the output file: of an endless output, the first and the last kKept bytes are kept.
struct Stream {
  std::uint64_t written;         // bytes in all
  std::array<char, kKept> head;  // bytes 0 … kKept-1
  std::array<char, kKept> tail;  // a ring: byte n is at (n - kKept) % kKept
};
static_assert(sizeof(Stream) == 131080, "the grader reads the streams at these offsets");

struct Orders {
  int control = -1;
  int output = -1;
  bool namespaces = true;  // --no-namespace is for tests
  bool disturb = false;
  long most_tasks = 0;  // 0: as many as it likes
  bool same_session = false;
  uid_t uid = 0;  // of the server; 0: ours
  char** command = nullptr;
};

struct Way {
  const char* name;
  unsigned long clone_flags;
};
// The first needs root; the second is for anybody, unless the administrator forbids it.
constexpr std::array kWays = {
    Way{"pid-namespace", CLONE_NEWPID},
    Way{"user-namespace", CLONE_NEWUSER | CLONE_NEWPID},
    Way{"subreaper", 0},
};

[[noreturn]] void fail(const std::string& call) {
  throw std::runtime_error(call + ": " + strerrorname_np(errno));
}

template <typename Result>
Result check(Result result, const std::string& call) {
  if (result == Result(-1)) fail(call);
  return result;
}

// Nothing is done about an error: it means that the grader is gone, and poll() will say so.
void tell(int control, const std::string& message) {
  send(control, message.data(), message.size(), MSG_NOSIGNAL);
}

// Runs one process's part. What it throws becomes a message and an exit status.
template <typename Part>
int reporting_failure(int control, Part part) {
  try {
    return part();
  } catch (const std::exception& failure) {
    tell(control, std::string("failed ") + failure.what());
    return 1;
  }
}

// --- Who descends from us ---

struct Descent {
  pid_t parent = 0;
  long tasks = 0;
};

// All zeros when the process has ended meanwhile.
Descent descent_of(pid_t pid) {
  const int file = open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (file == -1) return {};
  char stat[512] = "";
  if (read(file, stat, sizeof stat - 1) == -1) stat[0] = '\0';
  close(file);
  // PID (NAME) STATE PARENT …, and a NAME may hold anything, also a parenthesis. Field 20: its tasks.
  const char* const name_end = strrchr(stat, ')');
  Descent found;
  const char* const format =
      ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld";
  const bool whole =
      name_end != nullptr && sscanf(name_end, format, &found.parent, &found.tasks) == 2;
  return whole ? found : Descent{};
}

// Our pid where /proc was mounted, which may be outside our namespace.
pid_t self_in_proc() { return std::atoi(std::filesystem::read_symlink("/proc/self").c_str()); }

// Calls visit(pid, tasks) for each process that has us for an ancestor, parents first.
// `on_sight` sees each child before all are found, the newest first.
template <typename OnSight, typename Visit>
void visit_descendants(OnSight on_sight, Visit visit) {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc"))
    if (const pid_t pid = std::atoi(entry.path().filename().c_str()); pid > 0) pids.push_back(pid);
  std::sort(pids.rbegin(), pids.rend());
  const pid_t self = self_in_proc();
  if (std::find(pids.begin(), pids.end(), self) == pids.end())
    throw std::runtime_error("/proc does not show the processes to hold");

  std::multimap<pid_t, std::pair<pid_t, long>> children;
  for (const pid_t pid : pids) {
    const auto [parent, tasks] = descent_of(pid);
    if (parent == self) on_sight(pid);
    children.emplace(parent, std::pair(pid, tasks));
  }
  std::vector<pid_t> family = {self};
  for (std::size_t next = 0; next < family.size(); ++next) {
    const auto [first, last] = children.equal_range(family[next]);
    for (auto child = first; child != last; ++child) {
      visit(child->second.first, child->second.second);
      family.push_back(child->second.first);
    }
  }
}

// --- Killing without a namespace ---

void stop(pid_t pid) {
  if (kill(pid, SIGSTOP) == -1 && errno != ESRCH) fail("kill SIGSTOP");
}

// Stops what has us for an ancestor, and returns it. Our own children (orphans come to us) are
// stopped on sight: where each forks and exits, only the newest can still be caught.
std::set<pid_t> stop_descendants() {
  std::set<pid_t> family;
  visit_descendants(stop, [&family](pid_t pid, long) {
    stop(pid);
    family.insert(pid);
  });
  return family;
}

// The same, again and again, until nobody is new. `server` leads a process group, unless it is 0:
// most never leave it, and one call stops them all, where who is about to fork has not yet forked.
std::set<pid_t> stop_all_descendants(pid_t server) {
  if (server != 0) stop(-server);
  std::set<pid_t> family, before;
  do {
    before = std::move(family);
    family = stop_descendants();
  } while (!std::includes(before.begin(), before.end(), family.begin(), family.end()));
  return family;
}

// Killing them one by one would lose against a fork bomb: while one is killed, two are born. So
// first all are stopped, and only what stands still is killed. What slipped through becomes our
// child when its parent dies, and the next round finds it.
void kill_descendants(pid_t server = 0) {
  for (;;) {
    // While we hunt, the kernel reaps what dies: zombies could come faster than we can reap them.
    signal(SIGCHLD, SIG_IGN);
    pid_t child = 1;
    while (child > 0) child = waitpid(-1, nullptr, WNOHANG);
    if (child == -1 && errno == ECHILD) return;
    check(child, "waitpid");

    const std::set<pid_t> family = stop_all_descendants(server);
    signal(SIGCHLD, SIG_DFL);  // what we reap ourselves is gone for certain

    for (const pid_t pid : family)
      if (kill(pid, SIGKILL) == -1 && errno != ESRCH) fail("kill SIGKILL");
    for (const pid_t pid : family) waitpid(pid, nullptr, 0);  // ECHILD at once for a grandchild
  }
}

// --- A server that starts processes without end ---

// Looks often, as a fork bomb fills a machine in a second; and first at one number that costs
// nothing. The grader itself could hardly look: it would be one of thousands that want the processor.
class TaskLimit {
 public:
  TaskLimit(long most, bool namespaced) : most_(most), namespaced_(namespaced) {
    if (most == 0) return;
    timer_ = check(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");
    constexpr timespec kOften = {0, 20'000'000};
    const itimerspec interval = {kOften, kOften};
    check(timerfd_settime(timer_, 0, &interval, nullptr), "timerfd_settime");
    innocent_ = of_the_machine();
  }

  int timer() const { return timer_; }

  // For when the timer is readable. If there are more than the limit, they are stopped for good, and
  // their number is returned; else 0.
  long halted(pid_t server) {
    std::uint64_t expirations;
    if (read(timer_, &expirations, sizeof expirations) == -1 && errno != EAGAIN)
      fail("read timerfd");
    if (of_the_machine() - innocent_ <= most_) return 0;
    long ours = 0;
    visit_descendants([](pid_t) {}, [&ours](pid_t, long tasks) { ours += tasks; });
    if (ours <= most_) {
      innocent_ = of_the_machine() - ours;  // they are somebody else's
      return 0;
    }
    // In a namespace one call reaches all.
    if (namespaced_)
      check(kill(-1, SIGSTOP), "kill SIGSTOP");
    else
      stop_all_descendants(server);
    return ours;
  }

 private:
  // The processes and threads of all (man 5 proc_loadavg).
  static long of_the_machine() {
    std::ifstream file("/proc/loadavg");
    std::string word;
    for (int k = 0; k < 4; ++k) file >> word;  // 0.20 0.18 0.12 1/80 11206
    return std::atol(word.substr(word.find('/') + 1).c_str());
  }

  long most_;
  bool namespaced_;
  long innocent_ = 0;
  int timer_ = -1;
};

// --- The server ---

// Sends a descriptor over a socket and closes it (SCM_RIGHTS in man 7 unix).
void hand_over(int socket, int descriptor) {
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof descriptor)] = "";
  char byte = 0;
  iovec data = {&byte, 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  check(sendmsg(socket, &message, 0), "sendmsg");
  close(descriptor);
}

// The descriptor that hand_over() sent; -1 if the sender has ended without it.
int taken_over(int socket) {
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = "";
  char byte = 0;
  iovec data = {&byte, 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  int descriptor = -1;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message) != nullptr)
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
  return descriptor;
}

// For good: who is not root any more has no capability left, and no set-user-ID program gives one back.
void become_user(uid_t uid) {
  check(setgroups(0, nullptr), "setgroups");
  check(setgid(uid), "setgid");
  check(setuid(uid), "setuid");
  check(prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL), "PR_SET_NO_NEW_PRIVS");
}

int become_server(const Orders& orders, const Way& way, int out, int err, int questions) {
  // Either way it leads a process group: stop_all_descendants() counts on that.
  check(orders.same_session ? setpgid(0, 0) : setsid(), "setsid");
  // What the grader ignores would stay ignored across exec. Only what nobody can change fails here.
  for (int number = 1; number <= SIGRTMAX; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  check(sigprocmask(SIG_SETMASK, &none, nullptr), "sigprocmask");

  // 1, not 0: the kernel would still feed a core_pattern that is a pipe (apport, systemd-coredump).
  rlimit core{};
  check(getrlimit(RLIMIT_CORE, &core), "getrlimit");
  core.rlim_cur = core.rlim_max = std::min<rlim_t>(core.rlim_max, 1);
  check(setrlimit(RLIMIT_CORE, &core), "setrlimit");

  // A set-user-ID program would be another user's process, which a subreaper may not kill.
  if (way.clone_flags == 0)
    check(prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL), "PR_SET_NO_NEW_PRIVS");
  check(dup2(out, STDOUT_FILENO), "dup2");
  check(dup2(err, STDERR_FILENO), "dup2");
  if (orders.uid != 0) become_user(orders.uid);
  // What init hides of itself, the server does not have to: the grader looks at it from now on.
  if (way.clone_flags != 0) check(prctl(PR_SET_DUMPABLE, 1UL), "PR_SET_DUMPABLE");
  if (orders.disturb) hand_over(questions, ask_before_calls());
  tell(orders.control, "started");
  execvp(orders.command[0], orders.command);
  tell(orders.control, "exec-failed " + std::to_string(errno));
  return 127;
}

// --- Init ---

// One read from the pipe straight to where the bytes belong. Returns read()'s result.
ssize_t drain(int pipe, Stream& stream) {
  const std::uint64_t written = stream.written;
  const std::span<char> room = written < kKept ? std::span(stream.head).subspan(written)
                                               : std::span(stream.tail).subspan(written % kKept);
  const ssize_t count = read(pipe, room.data(), room.size());
  // The grader may be looking: it must not see the count before the bytes.
  if (count > 0)
    std::atomic_ref(stream.written)
        .store(written + std::uint64_t(count), std::memory_order_release);
  if (count == -1 && errno != EAGAIN) fail("read");
  return count;
}

// Only what is in the pipe now: a child of the server may write on without end.
void drain_queued(int pipe, Stream& stream) {
  int queued = 0;
  check(ioctl(pipe, FIONREAD, &queued), "FIONREAD");
  while (queued > 0) {
    const ssize_t count = drain(pipe, stream);
    if (count <= 0) break;
    queued -= int(count);
  }
}

void write_file(const char* path, const std::string& text) {
  const int file = check(open(path, O_WRONLY | O_CLOEXEC), path);
  check(write(file, text.data(), text.size()), path);
  close(file);
}

// In a new user namespace nobody has an identity: this gives back the one they have outside.
bool keep_identity(uid_t uid, gid_t gid) {
  try {
    const auto itself = [](auto id) {
      return std::to_string(id) + " " + std::to_string(id) + " 1";
    };
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", itself(uid));
    write_file("/proc/self/gid_map", itself(gid));
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

// Serves until the grader or outer is gone. Returns the server's pid, or 0 if it has ended.
pid_t watch(const Orders& orders, const Way& way, int outer) {
  void* const memory =
      mmap(nullptr, 2 * sizeof(Stream), PROT_READ | PROT_WRITE, MAP_SHARED, orders.output, 0);
  auto* const streams = static_cast<Stream*>(check(memory, "mmap"));

  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  check(sigprocmask(SIG_BLOCK, &child_ended, nullptr), "sigprocmask");
  const int signals = check(signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");

  int out[2], err[2];
  check(pipe2(out, O_CLOEXEC), "pipe2");
  check(pipe2(err, O_CLOEXEC), "pipe2");
  int questions[2];
  check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, questions), "socketpair");
  pid_t server = check(fork(), "fork");
  if (server == 0)
    _exit(reporting_failure(orders.control, [&] {
      return become_server(orders, way, out[1], err[1], questions[1]);
    }));
  for (const int write_end : {out[1], err[1], questions[1]}) close(write_end);
  Disturber disturber(orders.disturb ? taken_over(questions[0]) : -1);
  close(questions[0]);
  for (const int read_end : {out[0], err[0]})
    check(fcntl(read_end, F_SETFL, O_NONBLOCK), "O_NONBLOCK");

  TaskLimit limit(orders.most_tasks, way.clone_flags != 0);
  enum { kControl, kOuter, kSignals, kQuestions, kTimer, kPipes };
  std::array<pollfd, kPipes + 2> watched = {{{orders.control, POLLIN | POLLRDHUP, 0},
                                             {outer, POLLIN, 0},
                                             {signals, POLLIN, 0},
                                             {disturber.listener(), POLLIN, 0},
                                             {limit.timer(), POLLIN, 0},
                                             {out[0], POLLIN, 0},
                                             {err[0], POLLIN, 0}}};
  for (bool more_to_reap = false;;) {
    if (poll(watched.data(), watched.size(), more_to_reap ? 0 : -1) == -1) {
      if (errno != EINTR) fail("poll");
      continue;
    }
    if ((watched[kControl].revents & ~POLLIN) != 0 || watched[kOuter].revents != 0) return server;
    if (watched[kControl].revents != 0) {
      char order[64] = "";
      if (recv(orders.control, order, sizeof order - 1, 0) <= 0) return server;
      tell(orders.control, disturber.take_order(order) ? "armed" : "failed to read an order");
    }

    if ((watched[kQuestions].revents & POLLIN) != 0) {
      const std::string call = disturber.answer();
      if (!call.empty()) tell(orders.control, "disturbed " + call);
    } else if (watched[kQuestions].revents != 0) {
      watched[kQuestions].fd = -1;  // all that could ask have ended
    }

    if (watched[kTimer].revents != 0) {
      if (const long tasks = limit.halted(server); tasks > 0) {
        tell(orders.control, "halted " + std::to_string(tasks));
        watched[kTimer].fd = -1;
      }
    }

    signalfd_siginfo ignored;  // one SIGCHLD can stand for many: waitpid() says who
    if (watched[kSignals].revents != 0)
      check(read(signals, &ignored, sizeof ignored), "read signalfd");

    for (std::size_t k = 0; k < 2; ++k) {
      pollfd& pipe = watched[kPipes + k];
      if (pipe.revents != 0 && drain(pipe.fd, streams[k]) == 0) {
        close(pipe.fd);
        pipe.fd = -1;  // poll() passes over it from now on
      }
    }

    // One a turn: a fork bomb's may end faster than we can reap, and the grader must be heard.
    int status = 0;
    const pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended == -1 && errno != ECHILD) fail("waitpid");
    more_to_reap = ended > 0;
    if (ended > 0 && ended == server) {
      server = 0;  // the pid may come back, as an orphan's
      for (std::size_t k = 0; k < 2; ++k)
        if (watched[kPipes + k].fd != -1) drain_queued(watched[kPipes + k].fd, streams[k]);
      tell(orders.control, "ended " + std::to_string(status));
    }
  }
}

int init(const Orders& orders, const Way& way, uid_t uid, gid_t gid, int outer) {
  if ((way.clone_flags & CLONE_NEWUSER) != 0 && !keep_identity(uid, gid)) return kTryNextWay;
  const bool subreaper = way.clone_flags == 0;
  // If outer died before this line, the signal never comes: so watch() looks at its pidfd as well.
  // And a subreaper must not be killed: it has the others to kill.
  if (!subreaper)
    check(prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(SIGKILL)), "PR_SET_PDEATHSIG");
  if (subreaper) check(prctl(PR_SET_CHILD_SUBREAPER, 1UL), "PR_SET_CHILD_SUBREAPER");
  // The server may be of our uid, and our descriptors in /proc are the grader's: it must not open them.
  check(prctl(PR_SET_DUMPABLE, 0UL), "PR_SET_DUMPABLE");
  tell(orders.control, std::string("confined ") + way.name);
  const pid_t server = watch(orders, way, outer);
  if (subreaper) kill_descendants(server);
  return 0;  // pid 1 of a namespace ends, and the kernel kills and reaps all that is in there
}

// --- Outer ---

void close_all_but(int one, int other) {
  const auto [low, high] = std::minmax({one, other});
  const auto close_between = [](unsigned first, unsigned last) {
    if (first <= last) check(close_range(first, last, 0), "close_range");
  };
  close_between(STDERR_FILENO + 1, unsigned(low) - 1);
  close_between(unsigned(low) + 1, unsigned(high) - 1);
  close_between(unsigned(high) + 1, ~0U);
  const int null = check(open("/dev/null", O_RDWR), "/dev/null");
  for (int standard = 0; standard <= STDERR_FILENO; ++standard) check(dup2(null, standard), "dup2");
  if (null > STDERR_FILENO) close(null);
}

int outer(const Orders& orders) {
  close_all_but(orders.control, orders.output);
  check(fcntl(orders.control, F_SETFD, FD_CLOEXEC), "control");
  check(fcntl(orders.output, F_SETFD, FD_CLOEXEC), "output");
  struct stat file {};
  check(fstat(orders.output, &file), "output");
  if (file.st_size < off_t(2 * sizeof(Stream))) throw std::runtime_error("output: too small");

  signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would leave waitpid() without a status
  const int self = check(int(syscall(SYS_pidfd_open, getpid(), 0)), "pidfd_open");
  // If the server kills a subreaping init, its orphans come to us.
  check(prctl(PR_SET_CHILD_SUBREAPER, 1UL), "PR_SET_CHILD_SUBREAPER");
  const uid_t uid = geteuid();
  const gid_t gid = getegid();

  for (const Way& way : kWays) {
    if (!orders.namespaces && way.clone_flags != 0) continue;
    // Else a server with our uid could open our descriptors through /proc. Its exec undoes this.
    if (way.clone_flags == 0) check(prctl(PR_SET_DUMPABLE, 0UL), "PR_SET_DUMPABLE");
    // clone() makes the namespaces and their pid 1 in one step: if it fails, nothing is half done.
    const long init_pid = syscall(SYS_clone, way.clone_flags | SIGCHLD, 0UL, 0UL, 0UL, 0UL);
    if (init_pid == 0)
      _exit(reporting_failure(orders.control, [&] { return init(orders, way, uid, gid, self); }));
    if (init_pid == -1 && way.clone_flags != 0) continue;
    check(init_pid, "clone");

    int status = 0;
    check(waitpid(pid_t(init_pid), &status, 0), "waitpid");
    if (WIFEXITED(status) && WEXITSTATUS(status) == kTryNextWay) continue;
    kill_descendants();
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    throw std::runtime_error(std::string("init was killed by SIG") +
                             sigabbrev_np(WTERMSIG(status)));
  }
  return 1;  // not reached: the last way either works or throws
}

// --- The command line ---

[[noreturn]] void wrong_usage(const char* reason) {
  fprintf(stderr,
          "warden: %s\nusage: warden --control FD --output FD [--disturb] [--most-tasks N] [--same-session] "
          "[--uid N] -- PROGRAM ARG...\n",
          reason);
  exit(2);
}

int descriptor(const char* text) {
  char* end = nullptr;
  const long number = strtol(text, &end, 10);
  if (end == text || *end != '\0' || number <= STDERR_FILENO || fcntl(int(number), F_GETFD) == -1)
    wrong_usage("FD must be an open descriptor above 2");
  return int(number);
}

// From 1 to `most`.
unsigned long amount(const char* text, unsigned long most) {
  char* end = nullptr;
  const unsigned long number = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || number == 0 || number > most)
    wrong_usage("N must be a number above 0");
  return number;
}

Orders parse(int argc, char** argv) {
  enum { kControl = 1, kOutput, kNoNamespace, kDisturb, kMostTasks, kSameSession, kUid };
  const option options[] = {{"control", required_argument, nullptr, kControl},
                            {"output", required_argument, nullptr, kOutput},
                            {"no-namespace", no_argument, nullptr, kNoNamespace},
                            {"disturb", no_argument, nullptr, kDisturb},
                            {"most-tasks", required_argument, nullptr, kMostTasks},
                            {"same-session", no_argument, nullptr, kSameSession},
                            {"uid", required_argument, nullptr, kUid},
                            {nullptr, 0, nullptr, 0}};
  Orders orders;
  for (int found; (found = getopt_long(argc, argv, "+", options, nullptr)) != -1;) {
    if (found == kControl) orders.control = descriptor(optarg);
    if (found == kOutput) orders.output = descriptor(optarg);
    if (found == kNoNamespace) orders.namespaces = false;
    if (found == kDisturb) orders.disturb = true;
    if (found == kMostTasks) orders.most_tasks = long(amount(optarg, LONG_MAX));
    if (found == kSameSession) orders.same_session = true;
    if (found == kUid) orders.uid = uid_t(amount(optarg, UINT_MAX - 1));
    if (found == '?') wrong_usage("unknown option");
  }
  orders.command = argv + optind;
  if (orders.control == -1 || orders.output == -1) wrong_usage("--control and --output are needed");
  if (*orders.command == nullptr) wrong_usage("no program to run");
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(orders.control, SOL_SOCKET, SO_TYPE, &type, &size) == -1 || type != SOCK_SEQPACKET)
    wrong_usage("--control must be a SOCK_SEQPACKET socket");
  return orders;
}

}  // namespace

int main(int argc, char** argv) {
  const Orders orders = parse(argc, argv);
  return reporting_failure(orders.control, [&] { return outer(orders); });
}
