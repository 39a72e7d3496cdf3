// Lesson 3, one function at a time. Run a step's tests alone: server_test '[step-4]'
//
// Threads are started in processes of their own: what never wakes up is gone with its process.
#include "server.hpp"

#include <pthread.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <csignal>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "testing.hpp"

namespace {

// A table for the rest of the process's life: some thread may use it until the very end.
SlotTable& lasting_table(int slots) { return *new SlotTable(slots); }

std::string serve_with_slots(int listener, int slots) {
  Options options;
  options.slots = slots;
  return std::to_string(serve(listener, options));
}

// From here on, threads_of() counts what is ours: a sanitizer has added its threads to the first one.
void start_counting() {
  pid_t first = 0;
  std::thread([&] { first = ::gettid(); }).join();
  eventually([=] { return !std::filesystem::exists("/proc/self/task/" + std::to_string(first)); });
}

// In a process that accepts them, starts a thread for each of `clients` clients, and stays.
std::string start_clients(int listener, int clients) {
  SlotTable& slots = lasting_table(clients);
  for (int turn = 0; turn < clients; ++turn) {
    start_client(slots, slots.take(), unique_fd(::accept(listener, nullptr, nullptr)));
  }
  for (;;) ::pause();
}

std::vector<pid_t> threads_of(pid_t id) {
  std::vector<pid_t> threads;
  const std::string tasks = "/proc/" + std::to_string(id) + "/task";
  for (const auto& entry : std::filesystem::directory_iterator(tasks)) {
    threads.push_back(std::stoi(entry.path().filename()));
  }
  return threads;
}

bool has_ended(std::size_t threads_before) {
  return eventually([=] { return threads_of(::getpid()).size() == threads_before; });
}

long mapped_kib() { return std::stol(status_of(::getpid(), "VmSize")); }

// A thread that does nothing, and then waits for as long as `stay` holds.
pthread_t some_thread(std::atomic<bool>& stay) {
  pthread_t thread;
  const auto body = [](void* flag) -> void* {
    static_cast<std::atomic<bool>*>(flag)->wait(true);
    return nullptr;
  };
  ::pthread_create(&thread, nullptr, body, &stay);
  return thread;
}

// Has pthread_create fail with EAGAIN from now on, as it does when no room is left for a stack.
void allow_threads(bool allowed) {
  static const std::size_t usual = [] {
    std::size_t size = 0;
    pthread_attr_t attributes;
    ::pthread_getattr_default_np(&attributes);
    ::pthread_attr_getstacksize(&attributes, &size);
    return size;
  }();
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, allowed ? usual : std::size_t{1} << 47);
  ::pthread_setattr_default_np(&attributes);
}

// Does `work` each time the other side sends a byte, and then answers with one.
std::thread on_command(int commands, const std::function<void(char)>& work) {
  return std::thread([=] {
    for (char byte; ::read(commands, &byte, 1) == 1;) {
      work(byte);
      transmit(commands, {&byte, 1});
    }
  });
}

bool command(int fd, char what) { return echoes(fd, {&what, 1}); }

}  // namespace

// ---- Step 1: start_client

TEST_CASE("start_client echoes in a thread of its own, in the same process", "[step-1]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] { return start_clients(listener.get(), 2); });
  const unique_fd first = connect_to(listener.get());
  REQUIRE(echoes(first.get(), "hello"));
  const auto before = threads_of(parent.id()).size();
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), every_byte(100 * 1000)));
  CHECK(threads_of(parent.id()).size() == before + 1);
  CHECK(children_of(parent.id()).empty());
}

TEST_CASE("start_client does not wait for its client", "[step-1]") {
  Connection connection;
  Process parent([&] {
    SlotTable& slots = lasting_table(1);
    return start_client(slots, slots.take(), std::move(connection.server)) ? "started" : "failed";
  });
  CHECK(parent.result() == "started");
}

TEST_CASE("start_client gives each thread the client that is its own", "[step-1]") {
  const unique_fd listener = loopback_listener();
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 50; ++turn) clients.push_back(connect_to(listener.get()));
  Process parent([&] { return start_clients(listener.get(), 50); });
  for (std::size_t turn = 0; turn < clients.size(); ++turn) {
    REQUIRE(transmit(clients[turn].get(), "client " + std::to_string(100 + turn)));
  }
  for (std::size_t turn = 0; turn < clients.size(); ++turn) {
    REQUIRE(receive(clients[turn].get(), 10) == "client " + std::to_string(100 + turn));
  }
}

TEST_CASE("start_client's thread closes its client when that has left, and ends", "[step-1][fds]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] { return start_clients(listener.get(), 2); });
  const unique_fd stays = connect_to(listener.get());
  REQUIRE(echoes(stays.get(), "hello"));
  const auto threads = threads_of(parent.id()).size();
  const auto descriptors = open_descriptors(parent.id());
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "bye"));
  ::shutdown(client.get(), SHUT_WR);
  CHECK(next_from(client.get()) == "the end");
  CHECK(eventually([&] { return threads_of(parent.id()).size() == threads; }));
  CHECK(open_descriptors(parent.id()) == descriptors);
}

TEST_CASE("start_client says when there is no thread, and lets its client go", "[step-1]") {
  Connection connection;
  ::shutdown(connection.client.get(), SHUT_WR);
  Process parent([&] {
    SlotTable& slots = lasting_table(1);
    allow_threads(false);
    const auto before = open_descriptors(::getpid());
    const bool started = start_client(slots, slots.take(), std::move(connection.server));
    const std::string failure = started ? "started" : shown(-1);
    return failure + ", closed " + std::to_string(before - open_descriptors(::getpid()));
  });
  CHECK(parent.result() == "-1 EAGAIN, closed 1");
}

// ---- Step 2: release_thread

TEST_CASE("release_thread detaches a thread that runs", "[step-2]") {
  Process parent([] {
    std::atomic<bool> stay = true;
    start_counting();
    const auto before = threads_of(::getpid()).size();
    const pthread_t thread = some_thread(stay);
    release_thread(thread);
    pthread_attr_t attributes;
    int state = -1;
    ::pthread_getattr_np(thread, &attributes);
    ::pthread_attr_getdetachstate(&attributes, &state);
    stay = false;
    stay.notify_all();
    if (!has_ended(before)) return "it does not end";
    return state == PTHREAD_CREATE_DETACHED ? "detached" : "joinable";
  });
  CHECK(parent.result() == "detached");
}

TEST_CASE("release_thread frees the stack of a thread that has ended", "[step-2]") {
  Process parent([] {
    start_counting();
    std::atomic<bool> stay = false;
    long before = 0;
    for (int turn = 0; turn < 60; ++turn) {
      if (turn == 10) before = mapped_kib();
      const auto threads = threads_of(::getpid()).size();
      const pthread_t thread = some_thread(stay);
      if (!has_ended(threads)) return std::string("it does not end");
      release_thread(thread);
    }
    const long more = mapped_kib() - before;
    return more < 100 * 1024 ? "freed" : std::to_string(more) + " KiB more for 50 threads";
  });
  CHECK(parent.result() == "freed");
}

// ---- Step 3: SlotTable::take

TEST_CASE("take gives every slot, and each of them once", "[step-3][slots]") {
  Process parent([] {
    SlotTable slots(100);
    std::set<int> taken;
    for (int turn = 0; turn < 100; ++turn) taken.insert(slots.take());
    return std::to_string(taken.size()) + " from " + std::to_string(*taken.begin()) + " to " +
           std::to_string(*taken.rbegin());
  });
  CHECK(parent.result() == "100 from 0 to 99");
}

TEST_CASE("take sleeps when all slots are taken, whatever signals come", "[step-3][slots]") {
  Process taking([] {
    SlotTable slots(2);
    slots.take();
    slots.take();
    return std::to_string(slots.take());
  });
  for (int turn = 0; turn < 3; ++turn) {
    REQUIRE(taking.falls_asleep());
    taking.ring();
  }
  CHECK(taking.falls_asleep());
}

TEST_CASE("take gives no slot to two threads", "[step-3][slots]") {
  Process parent([] {
    SlotTable slots(200);
    std::array<std::vector<int>, 4> taken;
    {
      std::vector<std::jthread> threads;
      for (auto& mine : taken) {
        threads.emplace_back([&] {
          for (int turn = 0; turn < 50; ++turn) mine.push_back(slots.take());
        });
      }
    }
    std::set<int> all;
    for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
    return std::to_string(all.size()) + ", the last is " + std::to_string(*all.rbegin());
  });
  CHECK(parent.result() == "200, the last is 199");
}

// ---- Step 4: SlotTable::give_back

TEST_CASE("give_back makes the slot free, and no other", "[step-4][slots]") {
  Process parent([] {
    SlotTable slots(3);
    for (int turn = 0; turn < 3; ++turn) slots.take();
    slots.give_back(1);
    const int first = slots.take();
    slots.give_back(2);
    slots.give_back(0);
    return std::to_string(first) + ", then " + std::to_string(slots.take() + slots.take());
  });
  CHECK(parent.result() == "1, then 2");
}

TEST_CASE("give_back wakes the thread that waits", "[step-4][slots]") {
  Connection connection;
  Process taking(connection, [](int commands) {
    SlotTable& slots = lasting_table(2);
    slots.take();
    slots.take();
    on_command(commands, [&](char) { slots.give_back(1); }).detach();
    return std::to_string(slots.take());
  });
  REQUIRE(taking.falls_asleep());
  REQUIRE(transmit(connection.client.get(), "!"));
  CHECK(taking.result() == "1");
}

TEST_CASE("give_back wakes as many threads as there are slots given back", "[step-4][slots]") {
  Process parent([] {
    SlotTable slots(3);
    for (int turn = 0; turn < 3; ++turn) slots.take();
    std::vector<std::jthread> waiting;
    for (int turn = 0; turn < 3; ++turn) waiting.emplace_back([&] { slots.take(); });
    for (int slot = 0; slot < 3; ++slot) slots.give_back(slot);
    for (std::jthread& thread : waiting) thread.join();
    return "all woke";
  });
  CHECK(parent.result() == "all woke");
}

TEST_CASE("no wake-up is lost when a slot goes to and fro", "[step-4][slots]") {
  Process parent([] {
    SlotTable ping(1), pong(1);  // each round takes a wake-up, and waits for ever if it is lost
    ping.take();
    pong.take();
    std::jthread other([&] {
      for (int turn = 0; turn < 5000; ++turn) {
        ping.take();
        pong.give_back(0);
      }
    });
    for (int turn = 0; turn < 5000; ++turn) {
      ping.give_back(0);
      pong.take();
    }
    return "none";
  });
  CHECK(parent.result() == "none");
}

TEST_CASE("no two threads have a slot at the same time, and all get one", "[step-4][slots]") {
  for (const int size : {1, 3}) {
    Process parent([=] {
      SlotTable slots(size);
      std::vector<std::atomic<int>> holders(static_cast<std::size_t>(size));
      std::atomic<int> rounds = 0, doubled = 0;
      {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 8; ++thread) {
          threads.emplace_back([&] {
            for (int turn = 0; turn < 500; ++turn) {
              const int slot = slots.take();
              auto& here = holders.at(static_cast<std::size_t>(slot));
              if (++here != 1) ++doubled;
              if (turn % 8 == 0) ::sched_yield();
              --here;
              ++rounds;
              slots.give_back(slot);
            }
          });
        }
      }
      return std::to_string(rounds) + ", doubled " + std::to_string(doubled);
    });
    CHECK(parent.result() == "4000, doubled 0");
  }
}

TEST_CASE("give_back is what the thread of start_client ends with", "[step-4][slots]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] {
    SlotTable& slots = lasting_table(1);
    std::string numbers;
    for (int turn = 0; turn < 3; ++turn) {
      const int slot = slots.take();
      unique_fd client(::accept(listener.get(), nullptr, nullptr));
      numbers += std::to_string(slot);
      start_client(slots, slot, std::move(client));
    }
    return numbers;
  });
  for (int turn = 0; turn < 3; ++turn) {
    const unique_fd client = connect_to(listener.get());
    ::shutdown(client.get(), SHUT_WR);
    CHECK((turn == 2 || next_from(client.get()) == "the end"));
  }
  CHECK(parent.result() == "000");
}

// ---- Step 5: serve

TEST_CASE("serve serves clients side by side", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 10; ++turn) {
    clients.push_back(connect_to(listener.get()));
    REQUIRE(echoes(clients.back().get(), "hello"));
  }
  CHECK(children_of(serving.id()).empty());
  for (const unique_fd& client : clients) REQUIRE(echoes(client.get(), every_byte(10 * 1000)));
}

TEST_CASE("serve has the client wait for whom there is no slot", "[step-5][slots]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_slots(listener.get(), 2); });
  REQUIRE(serving.falls_asleep());
  const auto before = open_descriptors(serving.id());
  unique_fd first = connect_to(listener.get());
  REQUIRE(echoes(first.get(), "hello"));
  const unique_fd second = connect_to(listener.get());
  REQUIRE(echoes(second.get(), "hello"));
  REQUIRE(serving.falls_asleep());

  const unique_fd third = connect_to(listener.get());
  REQUIRE(transmit(third.get(), "let me in"));
  REQUIRE(echoes(second.get(), every_byte(100 * 1000)));
  CHECK(open_descriptors(serving.id()) == before + 2);  // the third is still in the queue
  first.reset();
  CHECK(receive(third.get(), 9) == "let me in");
}

TEST_CASE("serve serves one client after another in a single slot", "[step-5][slots]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_slots(listener.get(), 1); });
  for (int turn = 0; turn < 100; ++turn) {
    unique_fd client = connect_to(listener.get());
    REQUIRE(echoes(client.get(), "my turn"));
    if (turn % 2 == 0) reset_connection(client);
  }
}

TEST_CASE("serve leaves no thread, and no descriptor", "[step-5][fds]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_slots(listener.get(), 5); });
  const unique_fd stays = connect_to(listener.get());
  REQUIRE(echoes(stays.get(), "hello"));
  const auto threads = threads_of(serving.id()).size();
  const auto descriptors = open_descriptors(serving.id());
  for (int turn = 0; turn < 50; ++turn) {
    const unique_fd client = connect_to(listener.get());
    REQUIRE(echoes(client.get(), "bye"));
  }
  CHECK(eventually([&] { return threads_of(serving.id()).size() == threads; }));
  CHECK(open_descriptors(serving.id()) == descriptors);
  CHECK(echoes(stays.get(), "still here?"));
}

TEST_CASE("serve goes on when pthread_create fails, and loses no slot", "[step-5][slots]") {
  const unique_fd listener = loopback_listener();
  Connection connection;
  Process serving(connection, [&](int commands) {
    on_command(commands, [](char allowed) { allow_threads(allowed == 'y'); }).detach();
    return serve_with_slots(listener.get(), 2);
  });
  const unique_fd stays = connect_to(listener.get());
  REQUIRE(echoes(stays.get(), "hello"));
  REQUIRE(command(connection.client.get(), 'n'));
  for (int turn = 0; turn < 3; ++turn) {
    const unique_fd lost = connect_to(listener.get());
    CHECK(next_from(lost.get()) == "the end");
  }
  REQUIRE(command(connection.client.get(), 'y'));
  const unique_fd client = connect_to(listener.get());
  CHECK(echoes(client.get(), "hello"));
  CHECK(echoes(stays.get(), "still here?"));
}

TEST_CASE("serve goes on when accept has no descriptor left, and loses no slot",
          "[step-5][slots]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] {
    const rlimit none_left{0, 1024};
    ::setrlimit(RLIMIT_NOFILE, &none_left);
    return serve_with_slots(listener.get(), 1);
  });
  for (int turn = 0; turn < 2; ++turn) {
    REQUIRE(serving.falls_asleep());  // after EMFILE, as survive_accept_failure does
  }
  const unique_fd client = connect_to(listener.get());
  const rlimit enough{1024, 1024};
  ::prlimit(serving.id(), RLIMIT_NOFILE, &enough, nullptr);
  CHECK(echoes(client.get(), "hello"));
}

TEST_CASE("serve returns when the listener itself is unusable", "[step-5]") {
  Process serving([] { return serve_with_defaults(-1); });
  CHECK(serving.result() == "1");
}

// ---- Step 6: start_stop_thread, end_stop_thread, close, wait_until_empty

TEST_CASE("take returns -1 once the table is closed", "[step-6][slots]") {
  Process taking([] {
    SlotTable slots(2);
    slots.take();
    slots.close();
    return std::to_string(slots.take()) + (slots.closed() ? ", closed" : ", open");
  });
  CHECK(taking.result() == "-1, closed");
}

TEST_CASE("close wakes every thread that waits in take", "[step-6][slots]") {
  Connection connection;
  Process taking(connection, [](int commands) {
    SlotTable& slots = lasting_table(1);
    slots.take();
    on_command(commands, [&](char) { slots.close(); }).detach();
    std::atomic<int> others = 0;
    std::jthread other([&] { others = slots.take(); });
    const int mine = slots.take();
    other.join();
    return std::to_string(mine) + " and " + std::to_string(others);
  });
  REQUIRE(taking.falls_asleep());
  REQUIRE(transmit(connection.client.get(), "!"));
  CHECK(taking.result() == "-1 and -1");
}

TEST_CASE("close has clients' threads read what has arrived, and then an end of file", "[step-6]") {
  Connection first, second;
  REQUIRE(transmit(first.client.get(), "hello"));
  Process parent([&] {
    SlotTable slots(2);
    const int slot = slots.take(), late = slots.take();
    slots.occupy(slot, first.server.get());
    slots.close();
    slots.occupy(late, second.server.get());  // accepted just before
    return receive(first.server.get(), 6) + ", " + receive(second.server.get(), 1);
  });
  CHECK(parent.result() == "hello, ");
  CHECK(transmit(first.server.get(), "still writable"));
}

TEST_CASE("close leaves descriptors alone whose slot was given back", "[step-6][fds]") {
  Connection connection;
  Process parent([&] {
    SlotTable slots(1);
    const int slot = slots.take();
    slots.occupy(slot, connection.server.get());
    slots.give_back(slot);
    slots.close();
    return std::string("closed");
  });
  REQUIRE(parent.result() == "closed");
  REQUIRE(transmit(connection.client.get(), "hello"));
  CHECK(receive(connection.server.get(), 5) == "hello");
}

TEST_CASE("wait_until_empty waits until the last slot is given back", "[step-6][slots]") {
  Connection connection;
  Process waiting(connection, [](int commands) {
    SlotTable& slots = lasting_table(3);
    slots.take();
    slots.take();
    slots.close();
    on_command(commands, [&](char slot) { slots.give_back(slot - '0'); }).detach();
    slots.wait_until_empty();
    return "empty";
  });
  REQUIRE(waiting.falls_asleep());
  REQUIRE(command(connection.client.get(), '0'));
  REQUIRE(waiting.falls_asleep());
  REQUIRE(transmit(connection.client.get(), "1"));
  CHECK(waiting.result() == "empty");
}

TEST_CASE("wait_until_empty does not wait for ever for a client that does not read",
          "[step-6][slots]") {
  Connection connection;
  Process parent([&] {
    SlotTable& slots = lasting_table(1);
    shrink_send_buffer(connection.server.get());
    if (!start_client(slots, slots.take(), std::move(connection.server))) return "no thread";
    // Full in both directions: the thread can neither send nor come to the end of what it reads.
    const std::string bytes(4096, 'x');
    const int client = connection.client.get();
    if (!transmit(client, std::string(100 * 1000, 'x'))) return "not served";
    while (::send(client, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
    slots.close();
    slots.wait_until_empty();
    return "empty";
  });
  CHECK(parent.result() == "empty");
}

TEST_CASE("start_stop_thread has SIGTERM close the table and wake accept", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] {
    SlotTable slots(1);
    pthread_t stop_thread{};
    start_stop_thread(listener.get(), slots, stop_thread);
    const std::string accepted = shown(accept_client(listener.get()));
    const bool closed = slots.closed();
    end_stop_thread(stop_thread);
    return accepted + (closed ? ", closed" : ", open");
  });
  REQUIRE(accepting.falls_asleep());
  ::kill(accepting.id(), SIGTERM);
  CHECK(accepting.result() == "-1 EINVAL, closed");
}

TEST_CASE("end_stop_thread ends it though no SIGTERM has come", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] {
    start_counting();
    const auto before = threads_of(::getpid()).size();
    SlotTable slots(1);
    pthread_t stop_thread{};
    if (!start_stop_thread(listener.get(), slots, stop_thread)) return std::string("no thread");
    const auto started = threads_of(::getpid()).size() - before;
    end_stop_thread(stop_thread);
    return std::to_string(started) + (has_ended(before) ? ", ended" : ", runs on") +
           (slots.closed() ? ", closed" : ", open");
  });
  CHECK(parent.result() == "1, ended, closed");
}

TEST_CASE("every thread of serve blocks SIGTERM", "[step-6][signals]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "hello"));
  int open_to_it = 0;
  for (const pid_t thread : threads_of(serving.id())) {
    // While sigwait sleeps, what it waits for is not blocked in its thread.
    if (!has_signal(thread, "SigBlk", SIGTERM)) ++open_to_it;
  }
  CHECK(open_to_it <= 1);
  CHECK(has_signal(serving.id(), "SigBlk", SIGTERM));
}

TEST_CASE("SIGTERM ends serve with status 0, and its clients with an end of file", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 5; ++turn) {
    clients.push_back(connect_to(listener.get()));
    REQUIRE(echoes(clients.back().get(), "hello"));
  }
  ::kill(serving.id(), SIGTERM);
  REQUIRE(serving.result() == "0");
  for (const unique_fd& client : clients) CHECK(next_from(client.get()) == "the end");
}

TEST_CASE("SIGTERM costs clients nothing of what they had sent", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_slots(listener.get(), 3); });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 3; ++turn) {
    clients.push_back(connect_to(listener.get()));
    REQUIRE(echoes(clients.back().get(), "hello"));
  }
  ::kill(serving.id(), SIGSTOP);
  for (const unique_fd& client : clients) REQUIRE(transmit(client.get(), every_byte(30 * 1000)));
  ::kill(serving.id(), SIGTERM);
  ::kill(serving.id(), SIGTERM);
  ::kill(serving.id(), SIGCONT);
  for (const unique_fd& client : clients) {
    CHECK(receive(client.get(), 30 * 1000) == every_byte(30 * 1000));
    CHECK(next_from(client.get()) == "the end");
  }
  CHECK(serving.result() == "0");
}

TEST_CASE("serve lets its clients go when the listener has failed by itself", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "hello"));
  ::shutdown(listener.get(), SHUT_RD);  // it is shared with that process
  CHECK(serving.result() == "1");
  CHECK(next_from(client.get()) == "the end");
}
