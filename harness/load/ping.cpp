#include "ping.hpp"

#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include "pattern.hpp"
#include "system.hpp"

namespace {

constexpr std::size_t kMost = 16 * 1024;  // bytes that every socket's buffers hold

void never_wait_longer(int connection, double seconds) {
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(seconds);
  limit.tv_usec = static_cast<suseconds_t>((seconds - static_cast<double>(limit.tv_sec)) * 1e6);
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

// Ctrl-C interrupts recv while this lives.
struct Interruptible {
  Interruptible() { ::pthread_sigmask(SIG_SETMASK, &interruptible(), &before); }
  ~Interruptible() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  sigset_t before;
};

unique_fd checked(int fd, const char* call) {
  if (fd < 0) throw Stopped(Ending::cannot_measure, std::string(call) + ": " + reason(errno));
  return unique_fd(fd);
}

void echo(int connection, int cpu) {
  run_on(cpu);
  char data[kMost];
  for (;;) {
    const ssize_t count = ::recv(connection, data, sizeof data, 0);
    if (count <= 0) return;
    if (::send(connection, data, static_cast<std::size_t>(count), MSG_NOSIGNAL) != count) return;
  }
}

}  // namespace

bool is_ping(const Plan& plan) {
  return plan.clients == 1 && !plan.idle && !plan.slow && !plan.connect && plan.rate <= 0 &&
         plan.size <= kMost;
}

void ping(const Plan& plan, int connection, std::uint64_t sent, Result& result) {
  const Pattern pattern(0);
  std::vector<char> got(plan.size);
  never_wait_longer(connection, plan.patience);
  const Interruptible here;

  const std::int64_t begin = now() + nanoseconds(plan.warm_up);
  const std::int64_t end = begin + nanoseconds(plan.seconds);
  std::int64_t due = now();
  std::int64_t began = 0;
  Usage before;
  const auto finish = [&] {
    result.seconds = began ? static_cast<double>(std::min(due, end) - began) / 1e9 : 0;
    if (began) result.used = usage(before);
  };
  try {
    while (due < end && (!plan.rounds || result.round_trips < plan.rounds)) {
      if (!began && due >= begin) {
        began = due;
        before = usage();
      }
      const std::span<const char> message = pattern.at(sent, plan.size);
      if (::send(connection, message.data(), message.size(), MSG_NOSIGNAL) < 0) {
        server_left(plan, 0, result.round_trips, reason(errno));
      }
      for (std::size_t have = 0; have < plan.size;) {
        const ssize_t count = ::recv(connection, got.data() + have, plan.size - have, 0);
        if (interrupted()) throw Stopped(Ending::interrupted, "stopped");
        if (count == 0)
          server_left(plan, 0, result.round_trips, "the server has closed the connection");
        if (count < 0 && errno == EAGAIN) no_answer(plan, 1);
        if (count < 0) server_left(plan, 0, result.round_trips, reason(errno));
        have += static_cast<std::size_t>(count);
      }
      if (const std::size_t right = pattern.matches(sent, got); right != got.size()) {
        wrong_byte(0, sent + right, message[right], got[right]);
      }
      sent += plan.size;
      const std::int64_t back = now();
      if (began && back <= end) {
        result.latency.record(back - due);
        ++result.round_trips;
        result.bytes += plan.size;
      }
      due = back;
    }
  } catch (const Stopped&) {
    finish();
    throw;
  }
  finish();
}

void measure_floor(const Plan& plan, Result& result) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const unique_fd listener = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  if (::listen(listener.get(), 1) != 0) checked(-1, "listen");
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const unique_fd client = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  if (::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    checked(-1, "connect");
  }
  const unique_fd server = checked(::accept(listener.get(), nullptr, nullptr), "accept");

  const std::jthread other([&] { echo(server.get(), plan.floor_cpu); });
  struct End {  // before the thread is joined, so that its recv returns
    int connection;
    ~End() { ::shutdown(connection, SHUT_RDWR); }
  } const end{client.get()};
  ping(plan, client.get(), 0, result);
}
