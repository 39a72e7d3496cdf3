// Many clients at once, in one thread, with epoll.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <queue>
#include <vector>

#include "pattern.hpp"
#include "plan.hpp"
#include "result.hpp"
#include "unique_fd.hpp"

// Runs a Plan in two parts. Both throw Stopped; the result then has what was measured before.
class Generator {
 public:
  explicit Generator(const Plan& plan);

  // Connects everybody that stays connected, and sees that the server serves them all.
  void connect();

  // Measures, and waits for the answers that are still due at the end.
  void measure(Result& result);

 private:
  enum class Role { active, idle, slow };
  enum class State { absent, connecting, open, leaving };

  struct Client {
    std::size_t number;
    Role role;
    Pattern pattern;
    State state = State::absent;
    unique_fd connection{};
    std::uint64_t due = 0;  // bytes that should have been sent by now
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t round_trips = 0;
    std::queue<std::int64_t> waiting{};  // when each message was due that is not back yet
    bool watches_room = false;           // epoll says when there is room to send
    bool joined = false;                 // its part of connect() is done
  };

  void open(Client& client);
  void opened(Client& client);
  void begin_message(Client& client, std::int64_t due);
  void handle(Client& client, std::uint32_t events);
  void send(Client& client);
  void receive(Client& client);
  void answered(Client& client, std::int64_t at);
  void leave(Client& client);
  void close(Client& client);
  void join(Client& client);
  void watch(Client& client, int operation, std::uint32_t events);
  [[noreturn]] void cut_off(const Client& client, int error);

  // Waits for events until `until` and handles them.
  void turn(std::int64_t until);
  void send_what_is_due(std::int64_t at);
  std::int64_t due_time(std::uint64_t message) const;

  const Plan plan_;
  const sockaddr_in address_;
  std::vector<Client> clients_;
  std::vector<char> buffer_;
  unique_fd epoll_;
  Result* result_ = nullptr;  // while measuring
  std::size_t joining_ = 0;   // clients that connect() has begun with and not finished
  std::size_t expected_ = 0;  // answers, and connections, that are waited for
  std::int64_t last_answer_ = 0;
  std::int64_t begin_ = 0;  // of what is measured
  std::int64_t end_ = 0;
  std::uint64_t scheduled_ = 0;  // messages of the fixed schedule that were sent
  bool over_ = false;            // nobody begins a message any more
};
