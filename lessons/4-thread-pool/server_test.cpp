// Lesson 4, one function at a time. Run a step's tests alone: server_test '[step-4]'
//
// Everything here runs in a process of its own, so that its threads are its own, and one that sleeps
// for ever costs one test. What is said there about a thread is returned, and checked here.
#include "server.hpp"

#include <dlfcn.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "testing.hpp"

namespace {

std::atomic<int> threads_to_start = -1;  // before pthread_create fails; -1: it does not

// The threads of process `id`.
std::vector<pid_t> threads_of(pid_t id) {
  std::vector<pid_t> threads;
  std::error_code gone;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(id) + "/task", gone)) {
    threads.push_back(std::stoi(entry.path().filename()));
  }
  return threads;
}

bool is_asleep(pid_t thread) { return status_of(thread, "State").starts_with("S"); }

// A thread that runs one function, and whose sleep can be seen.
class Thread {
 public:
  explicit Thread(std::function<void()> body)
      : thread_([this, run = std::move(body)] {
          id_ = ::gettid();
          run();
          ended_ = true;
        }) {}
  ~Thread() { join(); }

  // Waits until it sleeps. False if it ends instead, or never does.
  bool falls_asleep() const {
    bool asleep = false;
    eventually([&] {
      asleep = id_ > 0 && is_asleep(id_);
      return asleep || ended_;
    });
    return asleep && !ended_;
  }

  pid_t id() const { return id_; }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<pid_t> id_ = 0;
  std::atomic<bool> ended_ = false;
  std::thread thread_;  // last: it uses the others
};

// Client number `number` of those for whom a number is enough. No descriptor can be that large, so
// that closing it does nothing; whoever takes it out of the queue releases it.
constexpr int not_a_descriptor = 1 << 30;
unique_fd numbered(int number) { return unique_fd(not_a_descriptor + number); }
int number_of(unique_fd client) { return client ? client.release() - not_a_descriptor : -1; }

// Has `producers` threads push `each` clients through a queue of `capacity` to `consumers` threads.
// What became of them.
std::string hand_over(int producers, int consumers, std::size_t capacity, int each) {
  ClientQueue queue(capacity);
  std::vector<std::vector<int>> got(static_cast<std::size_t>(consumers));
  std::vector<std::thread> pushing, popping;
  for (auto& mine : got) {
    popping.emplace_back([&queue, &mine] {
      while (unique_fd client = queue.pop()) mine.push_back(number_of(std::move(client)));
    });
  }
  std::atomic<int> refused = 0;
  for (int first = 0; first < producers; ++first) {
    pushing.emplace_back([&queue, &refused, first, each] {
      for (int i = 0; i < each; ++i) {
        if (!queue.push(numbered(first * each + i))) ++refused;
      }
    });
  }
  for (std::thread& thread : pushing) thread.join();
  queue.close();
  for (std::thread& thread : popping) thread.join();

  std::vector<int> all, wanted(static_cast<std::size_t>(producers * each));
  for (const auto& some : got) all.insert(all.end(), some.begin(), some.end());
  std::iota(wanted.begin(), wanted.end(), 0);
  if (consumers > 1 || producers > 1) std::ranges::sort(all);
  if (refused > 0) return std::to_string(refused) + " refused";
  return all == wanted ? "as they came" : std::to_string(all.size()) + " came, or in another order";
}

// The next client of `listener`, as a thread that accepts would put it into a queue.
unique_fd accepted(int listener) {
  return unique_fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

// The body of a process that serves with `threads` workers.
std::string serve_with(int listener, int threads) {
  Options options;
  options.threads = threads;
  return std::to_string(serve(listener, options));
}

bool has_data(const unique_fd& client) {
  pollfd now{client.get(), POLLIN, 0};
  return ::poll(&now, 1, 0) != 0;
}

// Sends to process `id`, through `client`, until nobody takes any more and all its threads sleep.
bool stuff(const unique_fd& client, pid_t id) {
  const std::string bytes(64 * 1024, 'x');
  return eventually([&] {
    bool taken = false;
    while (::send(client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
      taken = true;
    }
    return !taken && std::ranges::all_of(threads_of(id), is_asleep);
  });
}

}  // namespace

// Stands before the C library's pthread_create(), and fails as that does when there are too many
// threads.
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) noexcept {
  if (threads_to_start == 0) return EAGAIN;
  if (threads_to_start > 0) --threads_to_start;
  static const auto original =
      reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
  return original(thread, attributes, run, argument);
}

// ---- Step 1: ClientQueue

TEST_CASE("pop hands out clients in the order in which they were pushed", "[step-1]") {
  Process process([] {
    ClientQueue queue(3);
    std::string said;
    for (int number = 0; number < 3; ++number) said += queue.push(numbered(number)) ? "y" : "n";
    for (int turn = 0; turn < 3; ++turn) said += std::to_string(number_of(queue.pop()));
    return said;
  });
  CHECK(process.result() == "yyy012");
}

TEST_CASE("pop waits while the queue is empty", "[step-1]") {
  Process process([] {
    ClientQueue queue(3);
    int got = -1;
    Thread popping([&] { got = number_of(queue.pop()); });
    if (!popping.falls_asleep()) return std::string("it does not wait");
    queue.push(numbered(7));
    popping.join();
    return std::to_string(got);
  });
  CHECK(process.result() == "7");
}

TEST_CASE("push waits while the queue is full", "[step-1]") {
  Process process([] {
    ClientQueue queue(2);
    queue.push(numbered(0));
    queue.push(numbered(1));
    bool pushed = false;
    Thread pushing([&] { pushed = queue.push(numbered(2)); });
    if (!pushing.falls_asleep()) return std::string("it does not wait");
    std::string said = std::to_string(number_of(queue.pop()));
    pushing.join();
    if (!pushed) return std::string("it gives up");
    for (int turn = 0; turn < 2; ++turn) said += std::to_string(number_of(queue.pop()));
    return said;
  });
  CHECK(process.result() == "012");
}

TEST_CASE("who waits in the queue sleeps all the while", "[step-1][cpu]") {
  Process process([] {
    ClientQueue queue(1);
    Thread popping([&] { number_of(queue.pop()); });
    if (!popping.falls_asleep()) return std::string("it does not wait");
    const auto sleeps = [&] {
      return std::stol(status_of(popping.id(), "voluntary_ctxt_switches"));
    };
    const long before = sleeps();
    hand_over(1, 1, 1, 5 * 1000);  // while others are busy
    const long more = sleeps() - before;
    queue.push(numbered(0));
    // One more, for it may have slept for something else when we looked first.
    return std::string(more <= 1 ? "one sleep" : "it looks again and again");
  });
  CHECK(process.result() == "one sleep");
}

TEST_CASE("close wakes everybody who waits in pop", "[step-1][close]") {
  Process process([] {
    ClientQueue queue(1);
    std::atomic<int> nothing = 0;
    const auto pop = [&] { nothing += number_of(queue.pop()) == -1; };
    Thread first(pop), second(pop), third(pop);
    for (const Thread* thread : {&first, &second, &third}) {
      if (!thread->falls_asleep()) return std::string("it does not wait");
    }
    queue.close();
    for (Thread* thread : {&first, &second, &third}) thread->join();
    return std::to_string(nothing);
  });
  CHECK(process.result() == "3");
}

TEST_CASE("close wakes everybody who waits in push", "[step-1][close]") {
  Process process([] {
    ClientQueue queue(1);
    queue.push(numbered(0));
    std::atomic<int> refused = 0;
    const auto push = [&] { refused += !queue.push(numbered(1)); };
    Thread first(push), second(push), third(push);
    for (const Thread* thread : {&first, &second, &third}) {
      if (!thread->falls_asleep()) return std::string("it does not wait");
    }
    queue.close();
    for (Thread* thread : {&first, &second, &third}) thread->join();
    return std::to_string(refused);
  });
  CHECK(process.result() == "3");
}

TEST_CASE("a closed queue hands out those who are in it, then nothing", "[step-1][close]") {
  Process process([] {
    ClientQueue queue(3);
    queue.push(numbered(0));
    queue.push(numbered(1));
    queue.close();
    queue.close();
    std::string said = queue.push(numbered(2)) ? "not closed " : "";
    for (int turn = 0; turn < 4; ++turn) said += std::to_string(number_of(queue.pop())) + " ";
    return said;
  });
  CHECK(process.result() == "0 1 -1 -1 ");
}

TEST_CASE("push closes a client who comes after the end", "[step-1][close][fds]") {
  Connection connection;
  Process process(connection, [](int client) {
    ClientQueue queue(3);
    queue.close();
    const auto before = open_descriptors(::getpid());
    const bool pushed = queue.push(unique_fd(client));
    const auto closed = before - open_descriptors(::getpid());
    return (pushed ? "pushed, closed " : "refused, closed ") + std::to_string(closed);
  });
  CHECK(process.result() == "refused, closed 1");
}

TEST_CASE("one thread gets from one other what that has pushed, in order", "[step-1][threads]") {
  for (const unsigned capacity : {1U, 2U, 10U}) {
    Process process([&] { return hand_over(1, 1, capacity, 10 * 1000); });
    CHECK(process.result() == "as they came");
  }
}

TEST_CASE("many threads get from many others each client once", "[step-1][threads]") {
  for (const unsigned capacity : {1U, 2U, 10U}) {
    Process process([&] { return hand_over(5, 3, capacity, 2 * 1000); });
    CHECK(process.result() == "as they came");
  }
}

TEST_CASE("no wake-up is lost in thousands of rounds", "[step-1][threads]") {
  Process process([] {
    ClientQueue there(1), back(1);
    Thread answering([&] {
      while (unique_fd client = there.pop()) back.push(std::move(client));
    });
    int rounds = 0;
    for (int round = 0; round < 10 * 1000; ++round) {
      there.push(numbered(round));
      rounds += number_of(back.pop()) == round;
    }
    there.close();
    return std::to_string(rounds);
  });
  CHECK(process.result() == "10000");
}

TEST_CASE("nobody sleeps on when the queue is closed at any moment", "[step-1][threads][close]") {
  Process process([] {
    for (int round = 0; round < 300; ++round) {
      ClientQueue queue(1);
      Thread popping([&] {
        while (unique_fd client = queue.pop()) number_of(std::move(client));
      });
      Thread pushing([&] {
        while (queue.push(numbered(round))) {
        }
      });
      for (int turn = 0; turn < round % 10; ++turn) ::sched_yield();
      queue.close();
    }
    return std::string("all woke");
  });
  CHECK(process.result() == "all woke");
}

// ---- Step 2: work

TEST_CASE("work echoes, and closes its client", "[step-2]") {
  Connection connection;
  Process working(connection, [](int client) {
    ClientQueue queue(1);
    ClientRegistry registry;
    queue.push(unique_fd(client));
    work(queue, registry);
    return std::string("it ended");
  });
  REQUIRE(echoes(connection.client.get(), every_byte(100 * 1000)));
  ::shutdown(connection.client.get(), SHUT_WR);
  CHECK(next_from(connection.client.get()) == "the end");
  CHECK(working.falls_asleep());  // in pop, for nobody has closed the queue
}

TEST_CASE("work serves one client after another, and returns when the queue is closed",
          "[step-2]") {
  const unique_fd listener = loopback_listener();
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 5; ++turn) clients.push_back(connect_to(listener.get()));
  Process working([&] {
    ClientQueue queue(5);
    ClientRegistry registry;
    for (unique_fd& client : clients) {
      client.reset();
      queue.push(accepted(listener.get()));
    }
    queue.close();
    const auto before = open_descriptors(::getpid());
    work(queue, registry);
    return "closed " + std::to_string(before - open_descriptors(::getpid()));
  });
  for (const unique_fd& client : clients) {
    REQUIRE(echoes(client.get(), "hello"));
    ::shutdown(client.get(), SHUT_WR);
    REQUIRE(next_from(client.get()) == "the end");
  }
  CHECK(working.result() == "closed 5");
}

TEST_CASE("work goes on after a client's reset", "[step-2]") {
  const unique_fd listener = loopback_listener();
  unique_fd first = connect_to(listener.get()), second = connect_to(listener.get()),
            third = connect_to(listener.get());
  Process working([&] {
    ClientQueue queue(3);
    ClientRegistry registry;
    for (unique_fd* client : {&first, &second, &third}) {
      client->reset();
      queue.push(accepted(listener.get()));
    }
    queue.close();
    work(queue, registry);
    return std::string("it ended");
  });
  REQUIRE(echoes(first.get(), "hello"));
  reset_connection(first);   // while it is served
  reset_connection(second);  // while it waits
  CHECK(echoes(third.get(), "still here?"));
  third.reset();
  CHECK(working.result() == "it ended");
}

// ---- Step 3: Pool

namespace {

// Starts a thread and waits until it is gone: with the first, a sanitizer may start one of its own.
void start_and_end_a_thread() {
  pid_t id = 0;
  std::thread([&] { id = ::gettid(); }).join();
  eventually([&] { return status_of(id, "State").empty(); });
}

// In a process with one thread, what becomes of a pool of `threads`, and how many it has at the end.
std::string life_of_a_pool(int threads, int can_be_started) {
  start_and_end_a_thread();
  const auto count = [] { return threads_of(::getpid()).size(); };
  const auto before = count();
  ClientQueue queue(1);
  ClientRegistry registry;
  Pool pool(queue, registry);
  threads_to_start = can_be_started;
  const bool started = pool.start(threads);
  std::string said = started ? std::to_string(count() - before) + " started" : "none";
  queue.close();
  pool.join();
  // A joined thread may be on its last steps in the kernel.
  if (!eventually([&] { return count() == before; })) said += ", some left";
  return said;
}

}  // namespace

TEST_CASE("start starts as many threads as it is told to, and join ends them all", "[step-3]") {
  for (const int threads : {1, 2, 16}) {
    Process process([&] { return life_of_a_pool(threads, -1); });
    CHECK(process.result() == std::to_string(threads) + " started");
  }
}

TEST_CASE("start makes do with the threads that there can be", "[step-3][pthread_create]") {
  Process process([] { return life_of_a_pool(4, 3); });
  CHECK(process.result() == "3 started");
}

TEST_CASE("start says when there is no thread at all", "[step-3][pthread_create]") {
  Process process([] { return life_of_a_pool(4, 0); });
  CHECK(process.result() == "none");
}

TEST_CASE("the pool's threads serve clients side by side", "[step-3]") {
  const unique_fd listener = loopback_listener();
  Process process([&] {
    ClientQueue queue(3);
    ClientRegistry registry;
    Pool pool(queue, registry);
    pool.start(3);
    for (int turn = 0; turn < 3; ++turn) queue.push(accepted(listener.get()));
    queue.close();
    pool.join();
    return std::string("all joined");
  });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 3; ++turn) clients.push_back(connect_to(listener.get()));
  for (const unique_fd& client : clients) REQUIRE(echoes(client.get(), "hello"));
  CHECK(process.falls_asleep());  // in join, for nobody has left
  clients.clear();
  CHECK(process.result() == "all joined");
}

// ---- Step 4: serve

TEST_CASE("serve serves as many clients at once as it has threads", "[step-4]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with(listener.get(), 3); });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 3; ++turn) {
    clients.push_back(connect_to(listener.get()));
    REQUIRE(echoes(clients.back().get(), "hello"));
  }
  const unique_fd waiting = connect_to(listener.get());
  REQUIRE(transmit(waiting.get(), "my turn?"));
  for (const unique_fd& client : clients) REQUIRE(echoes(client.get(), every_byte(10 * 1000)));
  CHECK_FALSE(has_data(waiting));
  clients.erase(clients.begin() + 1);
  CHECK(receive(waiting.get(), 8) == "my turn?");
}

TEST_CASE("serve serves those who wait in the order in which they came", "[step-4]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with(listener.get(), 1); });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 10; ++turn) {
    clients.push_back(connect_to(listener.get()));
    REQUIRE(transmit(clients.back().get(), "x"));
  }
  while (!clients.empty()) {
    REQUIRE(receive(clients.front().get(), 1) == "x");
    CHECK(std::none_of(clients.begin() + 1, clients.end(), has_data));
    clients.erase(clients.begin());
  }
}

TEST_CASE("serve accepts no more clients than it has room for", "[step-4][fds]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with(listener.get(), 2); });
  std::vector<unique_fd> clients;
  clients.push_back(connect_to(listener.get()));
  REQUIRE(echoes(clients[0].get(), "hello"));
  const auto with_one = open_descriptors(serving.id());
  for (int turn = 0; turn < 20; ++turn) clients.push_back(connect_to(listener.get()));
  REQUIRE(echoes(clients[1].get(), "hello"));
  // Two are served, two are in the queue, and for one there is no room yet.
  CHECK(eventually([&] { return open_descriptors(serving.id()) == with_one + 4; }));
  CHECK(eventually([&] { return std::ranges::all_of(threads_of(serving.id()), is_asleep); }));
  CHECK(open_descriptors(serving.id()) == with_one + 4);
}

TEST_CASE("serve leaves no thread and no descriptor behind", "[step-4][fds][threads]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with(listener.get(), 4); });
  const unique_fd stays = connect_to(listener.get());
  REQUIRE(echoes(stays.get(), "hello"));
  const auto descriptors = open_descriptors(serving.id());
  const auto threads = threads_of(serving.id());
  for (int turn = 0; turn < 100; ++turn) {
    unique_fd client = connect_to(listener.get());
    REQUIRE(echoes(client.get(), "bye"));
    if (turn % 3 == 0) reset_connection(client);
  }
  CHECK(eventually([&] { return open_descriptors(serving.id()) == descriptors; }));
  CHECK(threads_of(serving.id()) == threads);
  CHECK(echoes(stays.get(), "still here?"));
}

TEST_CASE("serve goes on when accept has no descriptor left", "[step-4]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] {
    const rlimit none_left{0, 1024};
    ::setrlimit(RLIMIT_NOFILE, &none_left);
    return serve_with(listener.get(), 1);
  });
  REQUIRE(serving.falls_asleep());  // after EMFILE, as survive_accept_failure does
  const unique_fd client = connect_to(listener.get());
  const rlimit enough{1024, 1024};
  ::prlimit(serving.id(), RLIMIT_NOFILE, &enough, nullptr);
  CHECK(echoes(client.get(), "hello"));
}

TEST_CASE("serve serves with one thread if there cannot be more", "[step-4][pthread_create]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] {
    threads_to_start = 2;  // of which one may be the stop thread
    return serve_with(listener.get(), 4);
  });
  const unique_fd client = connect_to(listener.get());
  CHECK(echoes(client.get(), "hello"));
}

TEST_CASE("serve returns when it has no thread to serve with", "[step-4][pthread_create]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] {
    threads_to_start = 0;
    return serve_with(listener.get(), 4);
  });
  CHECK(serving.result() == "1");
}

TEST_CASE("serve returns when the listener itself is unusable", "[step-4]") {
  Process serving([] { return serve_with(-1, 4); });
  CHECK(serving.result() == "1");
}

// ---- Step 5: start_stop_thread, end_stop_thread, ClientRegistry, Pool::join_within

TEST_CASE("SIGTERM wakes a server that waits for clients", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] {
    ClientQueue queue(1);
    pthread_t stop_thread;
    start_stop_thread(listener.get(), queue, stop_thread);
    const std::string failure = shown(accept_client(listener.get()));
    end_stop_thread(stop_thread);
    return failure + (queue.closed() ? ", closed" : ", open");
  });
  REQUIRE(accepting.falls_asleep());
  ::kill(accepting.id(), SIGTERM);
  CHECK(accepting.result() == "-1 EINVAL, closed");
}

TEST_CASE("SIGTERM wakes a server that waits for room in the queue", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process pushing([&] {
    ClientQueue queue(1);
    queue.push(numbered(0));
    pthread_t stop_thread;
    start_stop_thread(listener.get(), queue, stop_thread);
    const bool pushed = queue.push(numbered(1));
    end_stop_thread(stop_thread);
    return std::string(pushed ? "pushed" : "refused");
  });
  REQUIRE(pushing.falls_asleep());
  ::kill(pushing.id(), SIGTERM);
  CHECK(pushing.result() == "refused");
}

TEST_CASE("SIGTERM is not missed by an accept that comes after it", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] {
    ClientQueue queue(1);
    pthread_t stop_thread;
    start_stop_thread(listener.get(), queue, stop_thread);
    ::kill(::getpid(), SIGTERM);
    eventually([&] { return queue.closed(); });
    ::kill(::getpid(), SIGTERM);  // nobody waits for the second, which must not end us
    const std::string failure = shown(accept_client(listener.get()));
    end_stop_thread(stop_thread);
    return failure;
  });
  CHECK(accepting.result() == "-1 EINVAL");
}

TEST_CASE("start_stop_thread says when there is no thread, and SIGTERM still ends the process",
          "[step-5][pthread_create]") {
  const unique_fd listener = loopback_listener();
  Process process([&] {
    ClientQueue queue(1);
    pthread_t stop_thread;
    threads_to_start = 0;
    const std::string said = shown(start_stop_thread(listener.get(), queue, stop_thread) ? 0 : -1);
    return has_signal(::getpid(), "SigBlk", SIGTERM) ? "it is blocked" : said;
  });
  CHECK(process.result() == "-1 EAGAIN");
}

TEST_CASE("end_stop_thread ends the thread though no SIGTERM has come", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process process([&] {
    start_and_end_a_thread();
    const auto count = [] { return threads_of(::getpid()).size(); };
    const auto before = count();
    ClientQueue queue(1);
    pthread_t stop_thread;
    start_stop_thread(listener.get(), queue, stop_thread);
    if (count() != before + 1) return std::string("there is none");
    end_stop_thread(stop_thread);
    return std::string(eventually([&] { return count() == before; }) ? "it ended" : "it runs on");
  });
  CHECK(process.result() == "it ended");
}

TEST_CASE("a client who is shut down for reading is still owed what it has sent", "[step-5]") {
  Connection connection;
  Process process(connection, [](int client) {
    ClientRegistry registry;
    registry.enter(client);
    Thread echoing([&] { echo_client(client); });
    if (!echoing.falls_asleep()) return std::string("it does not wait");
    registry.shut_down(SHUT_RD);
    echoing.join();
    return shown(::write(client, "bye", 3));
  });
  CHECK(receive(connection.client.get(), 3) == "bye");
  CHECK(process.result() == "3");
}

TEST_CASE("a client who comes after shut_down is shut down, too", "[step-5]") {
  Connection connection;
  Process process(connection, [](int client) {
    ClientRegistry registry;
    registry.shut_down(SHUT_RD);
    registry.enter(client);
    char byte;
    return shown(::read(client, &byte, 1));
  });
  CHECK(process.result() == "0");
}

TEST_CASE("a client who has left is not shut down", "[step-5]") {
  Connection left, stays;
  Process process([&] {
    ClientRegistry registry;
    registry.enter(left.server.get());
    registry.enter(stays.server.get());
    registry.leave(left.server.get());
    registry.shut_down(SHUT_RDWR);
    char byte;
    return shown(::send(left.server.get(), "x", 1, MSG_NOSIGNAL)) + " " +
           shown(::read(stays.server.get(), &byte, 1));
  });
  CHECK(process.result() == "1 0");
}

TEST_CASE("work has its client in the registry while it echoes", "[step-5]") {
  Connection connection;
  Process process(connection, [](int client) {
    ClientQueue queue(1);
    ClientRegistry registry;
    queue.push(unique_fd(client));
    queue.close();
    Thread working([&] { work(queue, registry); });
    if (!working.falls_asleep()) return std::string("it does not wait");
    registry.shut_down(SHUT_RD);
    working.join();
    return std::string("it ended");
  });
  CHECK(process.result() == "it ended");
}

TEST_CASE("work takes its client out of the registry when it has left", "[step-5]") {
  Connection first, second;
  Process process([&] {
    ClientQueue queue(1);
    ClientRegistry registry;
    first.client.reset();
    const int number = first.server.get();
    queue.push(std::move(first.server));
    queue.close();
    work(queue, registry);
    // The number is another client's now, with whom no worker has to do.
    ::dup2(second.server.get(), number);
    registry.shut_down(SHUT_RDWR);
    return shown(::send(number, "x", 1, MSG_NOSIGNAL));
  });
  first.client.reset();
  CHECK(process.result() == "1");
}

TEST_CASE("join_within waits no longer than it is told to", "[step-5]") {
  const unique_fd listener = loopback_listener();
  const unique_fd client = connect_to(listener.get());
  Process process([&] {
    ClientQueue queue(1);
    ClientRegistry registry;
    Pool pool(queue, registry);
    pool.start(2);
    queue.push(accepted(listener.get()));
    eventually([&] { return std::ranges::count_if(threads_of(::getpid()), is_asleep) >= 2; });
    queue.close();
    std::string said = pool.join_within(std::chrono::seconds(0)) ? "all, " : "not all, ";
    registry.shut_down(SHUT_RD);
    said += pool.join_within(patience) ? "all" : "not all";
    pool.join();
    return said;
  });
  CHECK(process.result() == "not all, all");
}

TEST_CASE("SIGTERM ends serve with status 0, and its clients see an end of file", "[step-5]") {
  for (const int threads : {1, 3}) {
    const unique_fd listener = loopback_listener();
    Process serving([&] { return serve_with(listener.get(), threads); });
    std::vector<unique_fd> clients;
    for (int turn = 0; turn < threads; ++turn) {
      clients.push_back(connect_to(listener.get()));
      REQUIRE(echoes(clients.back().get(), "hello"));
    }
    REQUIRE(serving.falls_asleep());
    const auto before = open_descriptors(serving.id());
    clients.push_back(connect_to(listener.get()));  // for whom nobody has time
    REQUIRE(eventually([&] { return open_descriptors(serving.id()) > before; }));
    REQUIRE(serving.falls_asleep());
    ::kill(serving.id(), SIGTERM);
    CHECK(serving.result() == "0");
    for (const unique_fd& client : clients) CHECK(next_from(client.get()) == "the end");
  }
}

TEST_CASE("SIGTERM costs nobody what has arrived already", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with(listener.get(), 1); });
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "hello"));
  ::kill(serving.id(), SIGSTOP);
  REQUIRE(eventually([&] { return status_of(serving.id(), "State").starts_with("T"); }));
  const std::string bytes = every_byte(20 * 1000);
  REQUIRE(transmit(client.get(), bytes));
  REQUIRE(eventually([&] {
    int on_the_way = -1;
    return ::ioctl(client.get(), SIOCOUTQ, &on_the_way) == 0 && on_the_way == 0;
  }));
  ::kill(serving.id(), SIGTERM);
  ::kill(serving.id(), SIGCONT);
  CHECK(receive(client.get(), bytes.size()) == bytes);
  CHECK(next_from(client.get()) == "the end");
  CHECK(serving.result() == "0");
}

TEST_CASE("SIGTERM ends serve although a client never reads", "[step-5]") {
  patience = std::max(patience, 3 * grace);
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with(listener.get(), 2); });
  const unique_fd never_reads = connect_to(listener.get());
  const unique_fd other = connect_to(listener.get());
  REQUIRE(echoes(other.get(), "hello"));
  REQUIRE(stuff(never_reads, serving.id()));
  ::kill(serving.id(), SIGTERM);
  CHECK(next_from(other.get()) == "the end");
  CHECK(serving.result() == "0");
}

TEST_CASE("SIGTERM ends serve at any moment", "[step-5][threads]") {
  for (int round = 0; round < 20; ++round) {
    const unique_fd listener = loopback_listener();
    Process serving([&] { return serve_with(listener.get(), 2); });
    std::vector<unique_fd> clients;
    for (int turn = 0; turn < 6; ++turn) clients.push_back(connect_to(listener.get()));
    REQUIRE(echoes(clients[0].get(), "hello"));
    clients.resize(static_cast<std::size_t>(round % 6));
    ::kill(serving.id(), SIGTERM);
    REQUIRE(serving.result() == "0");
  }
}
