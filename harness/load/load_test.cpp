// The load generator tried out against servers in threads of this process: right ones and wrong ones.
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "generator.hpp"
#include "histogram.hpp"
#include "pattern.hpp"
#include "ping.hpp"
#include "system.hpp"
#include "unique_fd.hpp"

namespace {

// Accepts clients one after another and hands each to `serve` in a thread of its own.
class Server {
 public:
  explicit Server(std::function<void(int)> serve) : serve_(std::move(serve)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_.get(), 128);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepting_ = std::jthread([this] {
      for (int client; (client = ::accept(listener_.get(), nullptr, nullptr)) >= 0;) {
        clients_.emplace_back([this, client] {
          const unique_fd connection(client);
          serve_(client);
        });
      }
    });
  }
  ~Server() { ::shutdown(listener_.get(), SHUT_RDWR); }

  // A short run against it.
  Plan plan() const {
    Plan plan;
    plan.port = port_;
    plan.seconds = 0.05;
    plan.warm_up = 0.005;
    return plan;
  }

 private:
  std::function<void(int)> serve_;
  unique_fd listener_;
  std::uint16_t port_ = 0;
  std::vector<std::jthread> clients_;
  std::jthread accepting_;  // ends, and is joined, before the clients
};

// Echoes until the client leaves; `change` may do something to each piece first, and end it.
void echo(int client, const std::function<bool(char*, ssize_t)>& change = {}) {
  char data[16 * 1024];
  for (;;) {
    const ssize_t count = ::recv(client, data, sizeof data, 0);
    if (count <= 0 || (change && !change(data, count))) return;
    for (ssize_t sent = 0; sent < count;) {
      const ssize_t more =
          ::send(client, data + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
      if (more < 0) return;
      sent += more;
    }
  }
}

void right(int client) { echo(client); }

// Runs the plan; the problem, if there is one, is in the result as main() would have it.
std::unique_ptr<Result> run(const Plan& plan) {
  auto result = std::make_unique<Result>();
  try {
    Generator generator(plan);
    generator.connect();
    generator.measure(*result);
  } catch (const Stopped& stopped) {
    result->ending = stopped.ending;
    result->problem = stopped.what();
  }
  return result;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a histogram gives back every size of duration to within 1 part in 128", "[histogram]") {
  for (std::int64_t value = 0; value < std::int64_t{1} << 60; value += value / 50 + 1) {
    Histogram one;
    one.record(value);
    one.record(INT64_MAX);  // else the greatest is known exactly
    const std::int64_t got = one.at(0.5);
    REQUIRE(got >= value);
    REQUIRE(got - value <= value / 128);
  }
}

TEST_CASE("a quantile is the least value that so many do not exceed", "[histogram]") {
  Histogram hundred;
  for (int value = 1; value <= 100; ++value) hundred.record(value);
  CHECK(hundred.at(0.5) == 50);
  CHECK(hundred.at(0.99) == 99);
  CHECK(hundred.at(0.999) == 100);
  CHECK(hundred.at(0) == 1);
  CHECK(hundred.least() == 1);
  CHECK(hundred.most() == 100);
  CHECK(hundred.mean() == 50.5);
  CHECK(Histogram().at(0.5) == 0);
}

TEST_CASE("what a client sends is seen to be wrong when it is lost, doubled or another's",
          "[pattern]") {
  const Pattern own(1), other(2);
  const auto sent = own.at(0, 4096);
  CHECK(own.matches(0, sent) == 4096);
  for (const std::uint64_t shift : {1U, 64U, 1024U, 4096U, 65536U}) CHECK(own.matches(shift, sent) < 64);
  CHECK(other.matches(0, sent) < 64);
  CHECK(own.matches(Pattern::kPeriod, sent) == 4096);
}

TEST_CASE("round trips are counted, timed and checked", "[run]") {
  const Server server(right);
  for (const std::size_t clients : {1U, 8U}) {
    Plan plan = server.plan();
    plan.clients = clients;
    const auto result = run(plan);
    CHECK(result->problem == "");
    CHECK(result->round_trips > 0);
    CHECK(result->bytes >= result->round_trips * plan.size);
    CHECK(result->latency.count() >= result->round_trips);
    CHECK(result->seconds > 0);
  }
}

TEST_CASE("large messages come back whole", "[run]") {
  const Server server(right);
  Plan plan = server.plan();
  plan.size = 8 * 1024 * 1024;
  plan.clients = 2;
  plan.rounds = 2;
  plan.seconds = 60;
  const auto result = run(plan);
  CHECK(result->problem == "");
  CHECK(result->round_trips >= 2);
}

TEST_CASE("connections are made, used and ended", "[run]") {
  const Server server(right);
  Plan plan = server.plan();
  plan.connect = true;
  plan.clients = 3;
  const auto result = run(plan);
  CHECK(result->problem == "");
  CHECK(result->round_trips > 0);
}

TEST_CASE("silent clients, and one that never reads, do not disturb the count", "[run]") {
  const Server server(right);
  Plan plan = server.plan();
  plan.idle = 50;
  plan.slow = 1;
  plan.clients = 2;
  const auto result = run(plan);
  CHECK(result->problem == "");
  CHECK(result->round_trips > 0);
}

TEST_CASE("a server that stalls is charged for all that was due meanwhile", "[run][open]") {
  // It stops for 100 ms, once. Of the 200 messages that were due, not one waits, but half of them.
  bool stalled = false;
  const Server server([&](int client) {
    int pieces = 0;
    echo(client, [&](char*, ssize_t) {
      if (++pieces == 20 && !stalled) {
        stalled = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      return true;
    });
  });
  Plan plan = server.plan();
  plan.warm_up = 0;
  plan.seconds = 0.2;
  plan.rate = 1000;
  const auto result = run(plan);
  CHECK(result->problem == "");
  CHECK(result->latency.count() == 200);
  CHECK(result->latency.at(0.75) > 10'000'000);
  CHECK(result->latency.most() >= 99'000'000);
}

TEST_CASE("a corrupt byte is named", "[run][failure]") {
  const Server server([](int client) {
    int pieces = 0;
    echo(client, [&](char* data, ssize_t count) {
      if (++pieces == 5) data[count - 1] = static_cast<char>(data[count - 1] ^ 1);
      return true;
    });
  });
  for (const std::size_t clients : {1U, 2U}) {
    Plan plan = server.plan();
    plan.clients = clients;
    const auto result = run(plan);
    CHECK(result->ending == Ending::server_failed);
    CHECK(contains(result->problem, "wrong byte: byte 319 was sent as 0x"));
  }
}

TEST_CASE("a client that is cut off is named", "[run][failure]") {
  const Server server([](int client) {
    int pieces = 0;
    echo(client, [&](char*, ssize_t) { return ++pieces < 5; });
  });
  Plan plan = server.plan();
  const auto result = run(plan);
  CHECK(result->ending == Ending::server_failed);
  CHECK(contains(result->problem, "client 0 was cut off"));
}

TEST_CASE("a server that never answers ends the run when patience does", "[run][failure]") {
  const Server server([](int client) {
    char data[64];
    while (::recv(client, data, sizeof data, 0) > 0) {
    }
  });
  Plan plan = server.plan();
  plan.patience = 0.05;
  const auto result = run(plan);
  CHECK(result->ending == Ending::server_failed);
  CHECK(result->problem == "no answer for 0.05 s, and 1 of 1 clients wait for one");
}

TEST_CASE("nobody listening is said", "[run][failure]") {
  Plan plan;
  plan.port = 1;
  const auto result = run(plan);
  CHECK(result->ending == Ending::server_failed);
  CHECK(result->problem == "nobody listens on 127.0.0.1:1");
}

TEST_CASE("too few descriptors are said, with the limit and the remedy", "[run][failure]") {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  Plan plan;
  plan.port = 1;
  plan.clients = limit.rlim_max + 1;
  if (plan.clients > 1'100'000) return;  // this machine has no limit worth the name
  const auto result = run(plan);
  CHECK(result->ending == Ending::cannot_measure);
  CHECK(contains(result->problem, "the limit is " + std::to_string(limit.rlim_max)));
  CHECK(contains(result->problem, "ulimit -n"));
}

TEST_CASE("the floor is measured without a server", "[floor]") {
  Plan plan;
  plan.seconds = 0.05;
  plan.floor = true;
  Result result;
  measure_floor(plan, result);
  CHECK(result.round_trips > 0);
}
