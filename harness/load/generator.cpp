#include "generator.hpp"
#include <fcntl.h>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "ping.hpp"
#include "system.hpp"

namespace {

constexpr std::size_t kAtOnce =
    4;  // connections that connect() begins at once: any backlog holds them
constexpr std::size_t kSpare = 16;  // descriptors that are not clients
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

void raise_descriptor_limit(std::size_t clients) {
  const rlim_t needed = clients + kSpare;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return;
  const rlim_t most = limit.rlim_max;
  limit.rlim_cur = std::min(needed, most);
  if (most >= needed && ::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  const std::string wanted = std::to_string(needed);
  throw Stopped(Ending::cannot_measure,
                std::to_string(clients) + " clients need " + wanted +
                    " descriptors, and the limit is " + std::to_string(most) +
                    ": raise it with 'ulimit -n " + wanted +
                    "' as root, or for good in /etc/security/limits.conf (nofile)");
}

}  // namespace

Generator::Generator(const Plan& plan)
    : plan_(plan), address_(address_of(plan)), buffer_(Pattern::kMost) {
  raise_descriptor_limit(plan.clients + plan.idle + plan.slow);
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) throw Stopped(Ending::cannot_measure, "epoll_create1: " + reason(errno));
  // Who waits for a time is woken on time, and not up to 50 µs later (man 2 prctl).
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  // Whoever is to hold somebody up is there first.
  for (const auto& [role, count] :
       {std::pair(Role::idle, plan.idle), std::pair(Role::slow, plan.slow),
        std::pair(Role::active, plan.clients)}) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t number = clients_.size();
      Client& client = clients_.emplace_back(Client{number, role, Pattern(number)});
      client.joined = plan.connect && role == Role::active;  // it connects while we measure
    }
  }
}

void Generator::connect() {
  last_answer_ = now();
  std::size_t next = 0;
  const std::size_t last = clients_.size() - (plan_.connect ? plan_.clients : 0);
  while (next < last || joining_ > 0) {
    if (next < last && joining_ < kAtOnce) {
      ++joining_;
      open(clients_[next++]);
    } else {
      turn(kNever);
    }
  }
}

void Generator::measure(Result& result) {
  result_ = &result;
  begin_ = now() + nanoseconds(plan_.warm_up);
  end_ = begin_ + nanoseconds(plan_.seconds);
  Usage before;
  bool measuring = false;
  const auto finish = [&] {
    if (!measuring) return;
    result.seconds = static_cast<double>(std::min(now(), end_) - begin_) / 1e9;
    result.used = usage(before);
    measuring = false;
  };
  std::int64_t leave_at = plan_.hold > 0 ? begin_ + nanoseconds(plan_.hold) : kNever;
  try {
    if (is_ping(plan_)) {
      Client& client = clients_.front();
      ::fcntl(client.connection.get(), F_SETFL, 0);
      return ping(plan_, client.connection.get(), client.received, result);
    }
    const std::int64_t at = now();
    for (Client& client : clients_) {
      if (client.role != Role::active) continue;
      if (plan_.connect)
        open(client);
      else if (plan_.rate <= 0)
        begin_message(client, at);
    }
    while (!over_ || expected_ > 0) {
      const std::int64_t time = now();
      if (!measuring && !over_ && time >= begin_) {
        measuring = true;
        before = usage();
      }
      // Also what fell due while we slept past the end.
      if (plan_.rate > 0 && !over_) send_what_is_due(time);
      if (!over_ && (time >= end_ || (plan_.rounds && result.round_trips >= plan_.rounds))) {
        if (time < end_) end_ = time;
        over_ = true;
        finish();
        continue;
      }
      if (time >= leave_at) {
        leave_at = kNever;
        for (Client& client : clients_) {
          if (client.role == Role::idle) close(client);
        }
      }
      std::int64_t until = std::min(leave_at, over_ ? kNever : measuring ? end_ : begin_);
      if (plan_.rate > 0 && !over_) until = std::min(until, due_time(scheduled_));
      turn(until);
    }
  } catch (const Stopped&) {
    finish();
    throw;
  }
}

std::int64_t Generator::due_time(std::uint64_t message) const {
  return begin_ - nanoseconds(plan_.warm_up) +
         static_cast<std::int64_t>(static_cast<double>(message) * 1e9 / plan_.rate);
}

// By the schedule, whether or not earlier answers have come: a server that stalls is charged for all
// that it kept waiting, and not only for the message that it happened to have.
void Generator::send_what_is_due(std::int64_t at) {
  const std::size_t first = clients_.size() - plan_.clients;
  for (std::int64_t due; (due = due_time(scheduled_)) <= at && due < end_; ++scheduled_) {
    begin_message(clients_[first + scheduled_ % plan_.clients], due);
    if (due >= begin_) result_->lateness.record(now() - due);
  }
}

void Generator::turn(std::int64_t until) {
  const std::int64_t time = now();
  if (expected_ > 0) until = std::min(until, last_answer_ + nanoseconds(plan_.patience));
  std::array<epoll_event, 256> events;
  const std::int64_t left = std::max<std::int64_t>(0, until - time);
  const timespec limit{left / 1'000'000'000, left % 1'000'000'000};
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), events.size(),
                                   until == kNever ? nullptr : &limit, &interruptible());
  if (interrupted()) throw Stopped(Ending::interrupted, "stopped");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    handle(clients_[event.data.u64], event.events);
    if (plan_.rate > 0 && result_ && !over_) send_what_is_due(now());
  }
  if (count == 0 && expected_ > 0 && now() - last_answer_ >= nanoseconds(plan_.patience)) {
    no_answer(plan_, static_cast<std::size_t>(std::ranges::count_if(clients_, [](const Client& c) {
                return c.role != Role::slow && (c.state == State::connecting || !c.waiting.empty());
              })));
  }
}

void Generator::watch(Client& client, int operation, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = client.number;
  ::epoll_ctl(epoll_.get(), operation, client.connection.get(), &event);
}

void Generator::open(Client& client) {
  client.due = client.sent = client.received = 0;
  client.state = State::connecting;
  if (expected_++ == 0) last_answer_ = now();
  client.waiting.push(now());  // when the client wanted to be served
  client.connection.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!client.connection) throw Stopped(Ending::cannot_measure, "socket: " + reason(errno));
  if (::connect(client.connection.get(), reinterpret_cast<const sockaddr*>(&address_),
                sizeof address_) != 0 &&
      errno != EINPROGRESS) {
    cut_off(client, errno);
  }
  // The kernel says that it has connected by saying that there is room to send.
  client.watches_room = true;
  watch(client, EPOLL_CTL_ADD, EPOLLOUT | (client.role == Role::slow ? 0U : EPOLLIN));
}

void Generator::opened(Client& client) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(client.connection.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) cut_off(client, error);
  client.state = State::open;
  if (!plan_.connect) {  // where messages may follow each other, each leaves at once
    const int on = 1;
    ::setsockopt(client.connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  if (client.role == Role::slow) {
    client.due = std::numeric_limits<std::uint64_t>::max();
    client.waiting.pop();
    --expected_;
  } else {
    client.due = plan_.size;
  }
  send(client);
}

void Generator::begin_message(Client& client, std::int64_t due) {
  client.waiting.push(due);
  if (expected_++ == 0) last_answer_ = now();
  client.due += plan_.size;
  send(client);
}

void Generator::handle(Client& client, std::uint32_t events) {
  if (client.state == State::connecting) return opened(client);
  if (client.role == Role::slow && (events & (EPOLLERR | EPOLLHUP))) cut_off(client, 0);
  if (events & EPOLLOUT) send(client);
  if (client.state != State::absent && (events & (EPOLLIN | EPOLLERR | EPOLLHUP))) receive(client);
}

void Generator::send(Client& client) {
  while (client.sent < client.due) {
    const std::uint64_t left = std::min<std::uint64_t>(client.due - client.sent, Pattern::kMost);
    const std::span<const char> bytes = client.pattern.at(client.sent, left);
    const ssize_t count = ::send(client.connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) {
      if (client.role == Role::slow) join(client);
      break;
    }
    if (count < 0) cut_off(client, errno);
    client.sent += static_cast<std::uint64_t>(count);
  }
  const bool waits = client.sent < client.due;
  if (waits == client.watches_room) return;
  client.watches_room = waits;
  const std::uint32_t in = client.role == Role::slow ? 0U : EPOLLIN;
  watch(client, EPOLL_CTL_MOD, in | (waits ? EPOLLOUT : 0U));
}

void Generator::receive(Client& client) {
  const ssize_t count = ::recv(client.connection.get(), buffer_.data(), buffer_.size(), 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count == 0 && client.state == State::leaving) return leave(client);
  if (count <= 0) cut_off(client, count < 0 ? errno : 0);
  const auto size = static_cast<std::size_t>(count);
  if (client.received + size > client.sent) {
    throw Stopped(Ending::server_failed, "client " + std::to_string(client.number) +
                                             " got more bytes than it has sent (" +
                                             std::to_string(client.sent) + ")");
  }
  const std::span<const char> got(buffer_.data(), size);
  if (const std::size_t right = client.pattern.matches(client.received, got); right != size) {
    wrong_byte(client.number, client.received + right,
               client.pattern.at(client.received + right, 1)[0], got[right]);
  }
  client.received += size;
  const std::int64_t at = last_answer_ = now();
  if (result_ && begin_ <= at && at <= end_) result_->bytes += size;
  // A message is back when all are but those that came after it.
  while (!client.waiting.empty() &&
         client.received + (client.waiting.size() - 1) * plan_.size >= client.due) {
    answered(client, at);
  }
}

void Generator::answered(Client& client, std::int64_t at) {
  const std::int64_t due = client.waiting.front();
  client.waiting.pop();
  --expected_;
  ++client.round_trips;
  join(client);
  if (client.role != Role::active || !result_) return;
  if (due >= begin_ && due <= end_) result_->latency.record(at - due);
  if (begin_ <= at && at <= end_ && !over_) ++result_->round_trips;
  if (plan_.connect) {
    // It says that it sends no more, and waits for the server's end of file.
    ++expected_;
    client.state = State::leaving;
    ::shutdown(client.connection.get(), SHUT_WR);
  } else if (plan_.rate <= 0 && !over_ && !(plan_.rounds && result_->round_trips >= plan_.rounds)) {
    begin_message(client, at);
  }
}

void Generator::leave(Client& client) {
  --expected_;
  close(client);
  last_answer_ = now();
  if (!over_ && !(plan_.rounds && result_->round_trips >= plan_.rounds)) open(client);
}

void Generator::close(Client& client) {
  client.connection.reset();
  client.state = State::absent;
}

void Generator::join(Client& client) {
  if (client.joined) return;
  client.joined = true;
  --joining_;
}

void Generator::cut_off(const Client& client, int error) {
  if (error == EADDRNOTAVAIL) {
    throw Stopped(Ending::cannot_measure,
                  "no local port is left: those of closed connections are kept for a minute; widen "
                  "net.ipv4.ip_local_port_range, or measure for a shorter time");
  }
  if (client.state == State::connecting && error == ECONNREFUSED && client.number == 0) {
    throw Stopped(Ending::server_failed,
                  "nobody listens on " + plan_.host + ":" + std::to_string(plan_.port));
  }
  server_left(plan_, client.number, client.round_trips,
              error ? reason(error) : "the server has closed the connection");
}
