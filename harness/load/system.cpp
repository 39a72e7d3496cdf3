#include "system.hpp"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace {

volatile std::sig_atomic_t was_interrupted = 0;
sigset_t before;

}  // namespace

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

Usage usage(const Usage& since) {
  timespec cpu{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  rusage all{};
  ::getrusage(RUSAGE_SELF, &all);
  const timeval& user = all.ru_utime;
  return {static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9 - since.cpu,
          static_cast<double>(user.tv_sec) + static_cast<double>(user.tv_usec) / 1e6 - since.user};
}

void run_on(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    throw Stopped(Ending::cannot_measure,
                  "cannot run on processor " + std::to_string(cpu) + ": " + reason(errno));
  }
}

void catch_interruption() {
  struct sigaction action {};
  action.sa_handler = [](int) { was_interrupted = 1; };
  sigset_t both;
  ::sigemptyset(&both);
  for (const int number : {SIGINT, SIGTERM}) {
    ::sigaction(number, &action, nullptr);
    ::sigaddset(&both, number);
  }
  ::sigprocmask(SIG_BLOCK, &both, &before);
  for (const int number : {SIGINT, SIGTERM}) ::sigdelset(&before, number);
}

bool interrupted() { return was_interrupted != 0; }

const sigset_t& interruptible() { return before; }

sockaddr_in address_of(const Plan& plan) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(plan.port);
  if (::inet_pton(AF_INET, plan.host.c_str(), &address.sin_addr) != 1) {
    throw Stopped(Ending::cannot_measure, "'" + plan.host + "' is no IPv4 address");
  }
  return address;
}

std::string reason(int error) {
  std::string text = std::strerror(error);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text + " (" + ::strerrorname_np(error) + ")";
}

void server_left(const Plan& plan, std::size_t client, std::uint64_t round_trips,
                 const std::string& how) {
  std::string line = "client " + std::to_string(client) + " was cut off after " +
                     std::to_string(round_trips) + " round trips: " + how;
  const unique_fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = address_of(plan);
  // On loopback a refusal comes at once.
  if (probe &&
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) &&
      errno == ECONNREFUSED) {
    line += "; nobody listens on " + plan.host + ":" + std::to_string(plan.port) +
            " any more: the server has ended";
  }
  throw Stopped(Ending::server_failed, line);
}

void wrong_byte(std::size_t client, std::uint64_t position, char sent, char got) {
  char line[160];
  std::snprintf(line, sizeof line,
                "client %zu got a wrong byte: byte %ju was sent as 0x%02x and came back as 0x%02x",
                client, static_cast<std::uintmax_t>(position), static_cast<unsigned char>(sent),
                static_cast<unsigned char>(got));
  throw Stopped(Ending::server_failed, line);
}

void no_answer(const Plan& plan, std::size_t waiting) {
  char line[160];
  std::snprintf(line, sizeof line, "no answer for %g s, and %zu of %zu clients wait for one",
                plan.patience, waiting, plan.clients + plan.idle);
  throw Stopped(Ending::server_failed, line);
}
