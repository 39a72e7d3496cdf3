// The witness in its own process: these tests are linked with the wrappers, so that their calls are
// the ones that are seen.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"
#include "recorder.hpp"
#include "ring.hpp"

using namespace witness;

namespace {

constexpr std::uint32_t kSlots = 1 << 14;

struct Seen {
  Kind kind;
  Call call;
  int fd, error;
  pid_t pid, tid;
  std::int64_t result, first, second;
};

// One ring for all tests: it is mapped once, as in a server.
Header& header() {
  static Header* const made = [] {
    char path[] = "/tmp/witness-test-XXXXXX";
    const int file = mkstemp(path);
    const std::size_t size = kHeaderBytes + kSlots * sizeof(Slot);
    if (file == -1 || ftruncate(file, static_cast<off_t>(size)) != 0) std::abort();
    Header begin{};
    begin.magic = kMagic;
    begin.slots = kSlots;
    if (pwrite(file, &begin, sizeof begin, 0) != sizeof begin || !open_ring(path)) std::abort();
    syscall(SYS_close, file);
    unlink(path);
    record_birth();
    return ring();
  }();
  return *made;
}

std::uint64_t written() { return header().written.load(); }

// The events since number `from`.
std::vector<Seen> since(std::uint64_t from) {
  auto* const slots = reinterpret_cast<Slot*>(reinterpret_cast<char*>(&header()) + kHeaderBytes);
  std::vector<Seen> found;
  for (std::uint64_t number = from; number < written(); ++number) {
    const Slot& slot = slots[number % kSlots];
    if (slot.number != number + 1) continue;
    found.push_back({Kind(slot.kind), Call(slot.call), slot.fd, slot.error, slot.pid, slot.tid,
                     slot.result, slot.arguments[0], slot.arguments[1]});
  }
  return found;
}

std::vector<Seen> only(std::vector<Seen> events, Call call) {
  std::erase_if(events, [call](const Seen& event) { return event.call != call; });
  return events;
}

void order(int place, Call call, Action action, int value, std::int64_t skip, std::int64_t times) {
  Rule& rule = header().rule[place];
  rule.call = static_cast<std::uint32_t>(call);
  rule.action = static_cast<std::uint32_t>(action);
  rule.value = value;
  rule.fd = -1;
  rule.skip = skip;
  rule.times = times;
  rule.state = 1;
  header().rules = static_cast<std::uint32_t>(place) + 1;
}

struct Pair {
  int ends[2];
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0); }
  ~Pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
};

}  // namespace

TEST_CASE("a call is seen when it begins and when it has returned", "[events]") {
  header();
  const Pair pair;
  char data[16];
  const std::uint64_t before = written();
  REQUIRE(::write(pair.ends[0], "hello", 5) == 5);
  REQUIRE(::read(pair.ends[1], data, sizeof data) == 5);
  const auto events = since(before);
  REQUIRE(events.size() == 4);
  CHECK(events[0].kind == Kind::kEnter);
  CHECK(events[1].kind == Kind::kExit);
  CHECK(events[1].call == Call::k_write);
  CHECK(events[3].call == Call::k_read);
  CHECK(events[3].fd == pair.ends[1]);
  CHECK(events[3].result == 5);
  CHECK(events[3].first == sizeof data);
  CHECK(events[3].pid == ::getpid());
}

TEST_CASE("errno is what the call has left, and is seen", "[events]") {
  header();
  const std::uint64_t before = written();
  errno = ENOENT;
  char byte = 0;
  CHECK(::read(-1, &byte, 1) == -1);
  CHECK(errno == EBADF);
  CHECK(since(before)[1].error == EBADF);
  const Pair pair;
  errno = ENOENT;
  CHECK(::write(pair.ends[0], &byte, 1) == 1);
  CHECK(errno == ENOENT);
}

TEST_CASE("a full ring keeps the newest events and tells how many there were", "[events]") {
  header();
  const std::uint64_t before = written();
  for (std::uint32_t i = 0; i < kSlots; ++i) ::shutdown(-1, SHUT_RD);
  CHECK(written() == before + 2 * kSlots);
  const auto left = since(before);
  CHECK(left.size() == kSlots);
  CHECK(left.back().kind == Kind::kExit);
}

TEST_CASE("who closes every descriptor is seen on", "[events]") {
  header();
  const std::uint64_t before = written();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close_range(0, ~0U, 0);
    ::_exit(::shutdown(-1, SHUT_RD) == -1 ? 3 : 4);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 3);
  const auto events = since(before);
  const auto of_child = std::ranges::count(events, child, &Seen::pid);
  CHECK(of_child == 4);  // its birth, the call's two events, its end
}

TEST_CASE("a fork that nobody wraps is noticed all the same", "[fork]") {
  header();
  const std::uint64_t before = written();
  const long child = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    ::shutdown(-1, SHUT_RD);
    ::syscall(SYS_exit_group, 0);
  }
  REQUIRE(::waitpid(pid_t(child), nullptr, 0) == child);
  const auto events = since(before);
  const auto birth = std::ranges::find(events, pid_t(child), &Seen::pid);
  REQUIRE(birth != events.end());
  CHECK(birth->kind == Kind::kStart);
  CHECK(birth->first == ::getpid());
}

TEST_CASE("64 threads lose no event, and each keeps its order", "[threads]") {
  header();
  static constexpr int kThreads = 64, kCalls = 40;
  const std::uint64_t before = written();
  std::array<pthread_t, kThreads> threads{};
  const auto run = [](void*) -> void* {
    for (int i = 0; i < kCalls; ++i) ::shutdown(-1 - i, SHUT_RD);
    return nullptr;
  };
  for (auto& thread : threads) REQUIRE(::pthread_create(&thread, nullptr, run, nullptr) == 0);
  for (const auto thread : threads) REQUIRE(::pthread_join(thread, nullptr) == 0);
  const auto events = since(before);
  CHECK(only(events, Call::k_shutdown).size() == 2 * kThreads * kCalls);
  std::vector<pid_t> tids;
  for (const auto& event : events) {
    if (event.kind == Kind::kStart) tids.push_back(event.tid);
  }
  REQUIRE(tids.size() == kThreads);
  for (const pid_t tid : tids) {
    int next = -1;
    for (const auto& event : only(events, Call::k_shutdown)) {
      if (event.tid == tid && event.kind == Kind::kEnter) CHECK(event.fd == next--);
    }
    CHECK(next == -1 - kCalls);
  }
}

TEST_CASE("a handler is announced, and finds itself installed", "[signals]") {
  header();
  static volatile std::sig_atomic_t came = 0;
  struct sigaction action {
  }, found{};
  action.sa_handler = [](int) { came = 1; };
  action.sa_flags = SA_RESTART;
  REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
  REQUIRE(::sigaction(SIGUSR1, nullptr, &found) == 0);
  CHECK(found.sa_handler == action.sa_handler);
  CHECK((found.sa_flags & SA_SIGINFO) == 0);
  const std::uint64_t before = written();
  ::raise(SIGUSR1);
  CHECK(came == 1);
  const auto events = since(before);
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == Kind::kSignal);
  CHECK(int(events[0].call) == SIGUSR1);
  CHECK(events[1].kind == Kind::kReturn);
  CHECK(::signal(SIGUSR1, SIG_DFL) == action.sa_handler);
  CHECK(::signal(SIGUSR1, SIG_IGN) == SIG_DFL);
  CHECK(::signal(SIGUSR1, SIG_DFL) == SIG_IGN);
}

TEST_CASE("a handler that changes errno does so with a witness, too", "[signals]") {
  header();
  struct sigaction action {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    errno = info->si_pid == ::getpid() ? ECHILD : EIO;
  };
  action.sa_flags = SA_SIGINFO;
  REQUIRE(::sigaction(SIGUSR1, &action, nullptr) == 0);
  const std::uint64_t before = written();
  errno = 0;
  ::kill(::getpid(), SIGUSR1);
  CHECK(errno == ECHILD);
  const auto events = since(before);
  const auto returned = std::ranges::find(events, Kind::kReturn, &Seen::kind);
  REQUIRE(returned != events.end());
  CHECK(returned->error == ECHILD);
  ::signal(SIGUSR1, SIG_DFL);
}

TEST_CASE("the third call fails as ordered, and no other", "[rules]") {
  header();
  order(0, Call::k_accept, Action::kFail, EMFILE, 2, 1);
  std::array<int, 4> errors{};
  for (int& error : errors) {
    CHECK(::accept(-1, nullptr, nullptr) == -1);
    error = errno;
  }
  CHECK(errors == std::array{EBADF, EBADF, EMFILE, EBADF});
  CHECK(header().rule[0].state == 2);
  header().rules = 0;
}

TEST_CASE("a read and a write are cut short as ordered", "[rules]") {
  header();
  const Pair pair;
  char data[8];
  order(0, Call::k_read, Action::kShorten, 1, 0, 1);
  order(1, Call::k_write, Action::kShorten, 3, 0, 1);
  CHECK(::write(pair.ends[0], "hello", 5) == 3);
  CHECK(::read(pair.ends[1], data, sizeof data) == 1);
  CHECK(::read(pair.ends[1], data, sizeof data) == 2);
  header().rules = 0;
}

TEST_CASE("fork fails once", "[rules]") {
  header();
  order(0, Call::k_fork, Action::kFail, EAGAIN, 0, 1);
  CHECK(::fork() == -1);
  CHECK(errno == EAGAIN);
  header().rules = 0;
}

TEST_CASE("the creation of a thread fails once, and leaves errno alone", "[rules]") {
  header();
  order(0, Call::k_pthread_create, Action::kFail, EAGAIN, 0, 1);
  pthread_t thread;
  errno = 0;
  CHECK(::pthread_create(
            &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr) == EAGAIN);
  CHECK(errno == 0);
  header().rules = 0;
}

TEST_CASE("EINTR is made only where a handler without SA_RESTART is installed", "[rules]") {
  header();
  for (int number = 1; number < SIGRTMIN; ++number) ::signal(number, SIG_DFL);  // Catch2's own
  const Pair pair;
  char byte = 'x';
  order(0, Call::k_write, Action::kFail, EINTR, 0, 1);
  CHECK(::write(pair.ends[0], &byte, 1) == 1);
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGUSR2, &action, nullptr);
  CHECK(::write(pair.ends[0], &byte, 1) == 1);
  action.sa_flags = 0;
  ::sigaction(SIGUSR2, &action, nullptr);
  CHECK(::write(pair.ends[0], &byte, 1) == -1);
  CHECK(errno == EINTR);
  ::signal(SIGUSR2, SIG_DFL);
  header().rules = 0;
}

TEST_CASE("a rule counts across processes", "[rules][fork]") {
  header();
  order(0, Call::k_shutdown, Action::kFail, EPERM, 0, 1);
  const auto fails = [] { return ::shutdown(-1, SHUT_RD) == -1 && errno == EPERM; };
  const pid_t child = ::fork();
  if (child == 0) ::_exit(fails() ? 1 : 0);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 1);
  CHECK_FALSE(fails());
  header().rules = 0;
}

TEST_CASE("what is no ring is refused", "[events]") {
  CHECK_FALSE(open_ring("/dev/null"));
  CHECK_FALSE(open_ring("/nowhere/ring"));
  header();
}
