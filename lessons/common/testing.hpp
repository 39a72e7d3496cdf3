// What the unit tests share: connections, processes to interrupt, and waits that always end.
//
// A function that blocks is tried out in a process of its own. The test watches that process fall
// asleep, rings its doorbell (SIGUSR1) or gives it what it waits for, and asks what it has to say.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"
#include "server.hpp"
#include "unique_fd.hpp"

// How long to wait for what should come at once. Once that was in vain the verdict is no longer
// "all passed", so later waits are short.
inline std::chrono::seconds patience{5};
inline void lose_patience() { patience = std::chrono::seconds{1}; }

// Waits until `condition` holds. False if patience runs out first.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return lose_patience(), false;
    ::sched_yield();
  }
  return true;
}

// A system call's result as text: "3", or "-1 ECONNRESET".
inline std::string shown(std::int64_t result) {
  const int error = errno;
  return std::to_string(result) + (result < 0 ? std::string(" ") + ::strerrorname_np(error) : "");
}

// ---- Connections

// No call on `fd` waits for longer than patience: it fails with EAGAIN.
inline void limit_waits(int fd) {
  const timeval limit{patience.count(), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// A connected pair: the function under test gets `server`, the test plays `client`.
struct Connection {
  unique_fd server, client;

  Connection() {
    int ends[2] = {-1, -1};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    server.reset(ends[0]);
    client.reset(ends[1]);
    limit_waits(client.get());
  }
};

// Makes the send buffer of `fd` as small as the kernel allows, a few KiB.
inline void shrink_send_buffer(int fd) {
  const int least = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
}

inline sockaddr_in address_of(int socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

// A TCP listener on some free port of 127.0.0.1.
inline unique_fd loopback_listener() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::listen(listener.get(), 128);
  return listener;
}

// A client that has connected to `listener`, or nothing with errno set.
inline unique_fd connect_to(int listener) {
  const sockaddr_in address = address_of(listener);
  unique_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  limit_waits(client.get());
  if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    client.reset();
  }
  return client;
}

// Closes a TCP connection with a reset instead of an end of file.
inline void reset_connection(unique_fd& client) {
  const linger at_once{1, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  client.reset();
}

// Sends all of `bytes`; false if the other side is gone or does not take them.
inline bool transmit(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) lose_patience();
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// The next `size` bytes; fewer if no more come.
inline std::string receive(int fd, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t count = ::recv(fd, bytes.data() + got, size - got, 0);
    if (count < 0 && errno == EAGAIN) lose_patience();
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
  }
  bytes.resize(got);
  return bytes;
}

// What `fd` has to say next: "a byte", "the end", or why it failed.
inline std::string next_from(int fd) {
  char byte;
  const ssize_t count = ::recv(fd, &byte, 1, 0);
  if (count < 0 && errno == EAGAIN) lose_patience();
  return count > 0 ? "a byte" : count == 0 ? "the end" : ::strerrorname_np(errno);
}

// Whether `bytes` come back over `fd` as they were sent, a few KiB at a time.
inline bool echoes(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, 4096);
    if (!transmit(fd, piece) || receive(fd, piece.size()) != piece) return false;
    bytes.remove_prefix(piece.size());
  }
  return true;
}

// `size` bytes of all 256 values, none of them at the same place in any two KiB.
inline std::string every_byte(std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes += static_cast<char>(bytes.size() * 7 + bytes.size() / 1024);
  return bytes;
}

// ---- Processes

// A line of /proc/ID/status, as man 5 proc describes it; empty if there is no such process.
inline std::string status_of(pid_t id, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(id) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "";
}

// Whether signal `number` is in a set of /proc/ID/status, such as SigCgt: those that have a handler.
inline bool has_signal(pid_t id, const std::string& set, int number) {
  return std::stoull("0" + status_of(id, set), nullptr, 16) >> (number - 1) & 1;
}

// The children of process `id` that have not been reaped, zombies among them.
inline std::vector<pid_t> children_of(pid_t id) {
  const std::string task = std::to_string(id);
  std::ifstream children("/proc/" + task + "/task/" + task + "/children");
  return {std::istream_iterator<pid_t>(children), {}};
}

inline bool is_zombie(pid_t id) { return status_of(id, "State").starts_with("Z"); }

inline std::filesystem::path descriptors_of(pid_t id) {
  return "/proc/" + std::to_string(id) + "/fd";
}

inline std::ptrdiff_t open_descriptors(pid_t id) {
  return std::distance(std::filesystem::directory_iterator(descriptors_of(id)), {});
}

// A process that runs one function. It and all that it started are gone at the end of the block.
class Process {
 public:
  // Runs `body` in a new process; what it returns is result().
  explicit Process(const std::function<std::string()>& body) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what it leaves behind becomes ours
    int ends[2] = {-1, -1};
    ::pipe(ends);
    answer_.reset(ends[0]);
    unique_fd answer(ends[1]);
    id_ = ::fork();
    ::setpgid(id_, 0);  // on both sides: whoever comes first
    if (id_ != 0) return;

    for (int number = 1; number < SIGRTMIN; ++number) ::signal(number, SIG_DFL);
    struct sigaction doorbell {};
    doorbell.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &doorbell, nullptr);
    const std::string said = body();
    ::_exit(::write(answer.get(), said.data(), said.size()) < 0);
  }

  // The same, for a body that serves one client: each side keeps its own end of `connection`.
  Process(Connection& connection, const std::function<std::string(int)>& body)
      : Process([&] {
          connection.client.reset();
          return body(connection.server.get());
        }) {
    connection.server.reset();
  }

  ~Process() {
    ::kill(-id_, SIGKILL);
    while (::waitpid(-id_, nullptr, 0) > 0) {
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }

  void ring() const { ::kill(id_, SIGUSR1); }

  // Waits until it sleeps, in another sleep than when last asked. False if it never does.
  bool falls_asleep() {
    bool asleep = false;
    eventually([&] {
      const std::string state = status_of(id_, "State");
      const long sleeps = std::atol(status_of(id_, "voluntary_ctxt_switches").c_str());
      asleep = state.starts_with("S") && sleeps > sleeps_;
      if (asleep) sleeps_ = sleeps;
      return asleep || is_zombie(id_);
    });
    return asleep;
  }

  // Waits until it ends. What its function returned, or what became of it instead.
  std::string result() {
    const unique_fd ended(static_cast<int>(::syscall(SYS_pidfd_open, id_, 0)));
    pollfd wait{ended.get(), POLLIN, 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
    if (::poll(&wait, 1, static_cast<int>(limit.count())) != 1) return lose_patience(), "runs on";

    // WNOWAIT: not reaped, its id cannot become somebody else's before the end of the block.
    siginfo_t how{};
    ::waitid(P_PID, static_cast<id_t>(id_), &how, WEXITED | WNOWAIT);
    if (how.si_code != CLD_EXITED) return std::string("SIG") + ::sigabbrev_np(how.si_status);
    char said[256];
    const ssize_t count = ::read(answer_.get(), said, sizeof said);
    return {said, count > 0 ? static_cast<std::size_t>(count) : 0};
  }

 private:
  pid_t id_ = -1;
  long sleeps_ = 0;
  unique_fd answer_;
};

// The body of a process that serves, with the options that the command line has by default.
inline std::string serve_with_defaults(int listener) {
  return std::to_string(serve(listener, Options()));
}
