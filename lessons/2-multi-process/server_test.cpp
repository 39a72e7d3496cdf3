// Lesson 2, one function at a time. Run a step's tests alone: server_test '[step-4]'
//
// Everything here runs in a process of its own, so that its children are its own.
#include "server.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "catch.hpp"
#include "testing.hpp"

namespace {

int forks_to_fail = 0;

// In a process with both handlers, starts a child for one client, and waits for a signal.
std::string start_one_child(int listener) {
  ::signal(SIGCHLD, [](int) {});
  ::signal(SIGTERM, [](int) {});
  start_child(listener, unique_fd(::accept(listener, nullptr, nullptr)));
  for (;;) ::pause();
}

// A child that has ended already.
pid_t ended_child() {
  const pid_t id = ::fork();
  if (id == 0) ::_exit(0);
  siginfo_t how{};
  ::waitid(P_PID, static_cast<id_t>(id), &how, WEXITED | WNOWAIT);
  return id;
}

// A child that lives until it is killed.
pid_t living_child() {
  const pid_t id = ::fork();
  if (id == 0) {
    for (;;) ::pause();
  }
  return id;
}

// A child that lives, and that somebody has stopped.
pid_t stopped_child() {
  const pid_t id = living_child();
  ::kill(id, SIGSTOP);
  siginfo_t how{};
  ::waitid(P_PID, static_cast<id_t>(id), &how, WSTOPPED | WNOWAIT);
  return id;
}

// How many children this process still has, zombies among them.
std::string children_left() { return std::to_string(children_of(::getpid()).size()); }

// Blocks or unblocks one signal.
void mask(int how, int number) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  ::sigprocmask(how, &set, nullptr);
}

}  // namespace

// Stands before the C library's fork(), and fails as that does when there are too many processes.
pid_t fork() noexcept {
  if (forks_to_fail > 0) {
    --forks_to_fail;
    errno = EAGAIN;
    return -1;
  }
  return reinterpret_cast<pid_t (*)()>(::dlsym(RTLD_NEXT, "fork"))();
}

// ---- Step 1: start_child

TEST_CASE("start_child echoes in a process of its own", "[step-1]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] { return start_one_child(listener.get()); });
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), every_byte(100 * 1000)));
  CHECK(children_of(parent.id()).size() == 1);
}

TEST_CASE("start_child returns the child's process id", "[step-1]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] {
    const pid_t child =
        start_child(listener.get(), unique_fd(::accept(listener.get(), nullptr, nullptr)));
    return children_of(::getpid()) == std::vector{child} ? "it does" : std::to_string(child);
  });
  const unique_fd client = connect_to(listener.get());
  ::shutdown(client.get(), SHUT_WR);
  CHECK(parent.result() == "it does");
}

TEST_CASE("start_child leaves the parent no client, and the child no listener", "[step-1][fds]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] { return start_one_child(listener.get()); });
  REQUIRE(parent.falls_asleep());
  const auto before = open_descriptors(parent.id());
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "hello"));
  const auto children = children_of(parent.id());
  REQUIRE(children.size() == 1);
  CHECK(eventually([&] { return open_descriptors(parent.id()) == before; }));

  struct stat ours {
  }, theirs{};
  ::fstat(listener.get(), &ours);
  for (const auto& entry : std::filesystem::directory_iterator(descriptors_of(children[0]))) {
    ::stat(entry.path().c_str(), &theirs);
    CHECK(theirs.st_ino != ours.st_ino);
  }
}

TEST_CASE("start_child's child ends when its client has left", "[step-1]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] { return start_one_child(listener.get()); });
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "bye"));
  const auto children = children_of(parent.id());
  REQUIRE(children.size() == 1);
  ::shutdown(client.get(), SHUT_WR);
  CHECK(next_from(client.get()) == "the end");
  CHECK(eventually([&] { return is_zombie(children[0]); }));
}

TEST_CASE("start_child's child does not write what the parent's stdio had buffered",
          "[step-1][exit]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] {
    std::FILE* const file = std::tmpfile();
    std::fputs("once", file);
    start_child(listener.get(), unique_fd(::accept(listener.get(), nullptr, nullptr)));
    siginfo_t how{};
    if (::waitid(P_ALL, 0, &how, WEXITED) != 0) return std::string("no child");
    std::fflush(file);
    struct stat written {};
    ::fstat(::fileno(file), &written);
    return std::to_string(written.st_size) + " bytes";
  });
  const unique_fd client = connect_to(listener.get());
  ::shutdown(client.get(), SHUT_WR);
  CHECK(parent.result() == "4 bytes");
}

TEST_CASE("start_child's child takes SIGCHLD and SIGTERM as by default, whatever its parent does",
          "[step-1][signals]") {
  const unique_fd listener = loopback_listener();
  Process parent([&] { return start_one_child(listener.get()); });
  unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "hello"));
  const auto children = children_of(parent.id());
  REQUIRE(children.size() == 1);
  for (const int number : {SIGCHLD, SIGTERM}) {
    CHECK(has_signal(parent.id(), "SigCgt", number));
    CHECK(eventually([&] { return !has_signal(parent.id(), "SigBlk", number); }));
    CHECK_FALSE(has_signal(children[0], "SigCgt", number));
    CHECK_FALSE(has_signal(children[0], "SigIgn", number));
    CHECK_FALSE(has_signal(children[0], "SigBlk", number));
  }
  ::kill(children[0], SIGCHLD);  // ignored by default
  CHECK(echoes(client.get(), "still here?"));
  ::kill(children[0], SIGTERM);
  CHECK(next_from(client.get()) == "the end");
}

TEST_CASE("start_child says when there is no child, and lets its client go", "[step-1][fork]") {
  const unique_fd listener = loopback_listener();
  const unique_fd client = connect_to(listener.get());
  ::shutdown(client.get(), SHUT_WR);
  Process parent([&] {
    forks_to_fail = 1;
    const auto before = open_descriptors(::getpid());
    const pid_t child =
        start_child(listener.get(), unique_fd(::accept(listener.get(), nullptr, nullptr)));
    const std::string failure = shown(child);
    const auto leaked = open_descriptors(::getpid()) - before;
    return failure + ", leaked " + std::to_string(leaked);
  });
  CHECK(parent.result() == "-1 EAGAIN, leaked 0");
}

// ---- Step 2: reap_children

TEST_CASE("reap_children reaps every child that has ended", "[step-2][zombies]") {
  Process parent([] {
    for (int turn = 0; turn < 20; ++turn) ended_child();
    reap_children();
    return children_left();
  });
  CHECK(parent.result() == "0");
}

TEST_CASE("reap_children does not wait for children that live", "[step-2][zombies]") {
  Process parent([] {
    living_child();
    ended_child();
    living_child();
    ended_child();
    reap_children();
    return children_left();
  });
  CHECK(parent.result() == "2");
}

TEST_CASE("reap_children leaves errno as it was", "[step-2]") {
  Process parent([] {
    ended_child();
    errno = EINTR;
    reap_children();
    reap_children();  // when there is no child at all
    return shown(-1) + ", " + children_left() + " left";
  });
  CHECK(parent.result() == "-1 EINTR, 0 left");
}

// ---- Step 3: next_client

TEST_CASE("next_client returns the client that has connected", "[step-3]") {
  const unique_fd listener = loopback_listener();
  const unique_fd client = connect_to(listener.get());
  const unique_fd accepted(next_client(listener.get()));
  REQUIRE(accepted.get() >= 0);
  REQUIRE(transmit(accepted.get(), "hello"));
  CHECK(receive(client.get(), 5) == "hello");
}

TEST_CASE("next_client goes on waiting after a signal", "[step-3][eintr]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] { return shown(next_client(listener.get()) >= 0 ? 1 : -1); });
  for (int turn = 0; turn < 3; ++turn) {
    REQUIRE(accepting.falls_asleep());
    accepting.ring();
  }
  REQUIRE(accepting.falls_asleep());
  const unique_fd client = connect_to(listener.get());
  CHECK(accepting.result() == "1");
}

TEST_CASE("next_client gives up with EINTR when the signal asks for a stop", "[step-3][eintr]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] {
    struct sigaction action {};
    action.sa_handler = [](int) { stop_requested = 1; };
    ::sigaction(SIGTERM, &action, nullptr);
    return shown(next_client(listener.get()));
  });
  REQUIRE(accepting.falls_asleep());
  ::kill(accepting.id(), SIGTERM);
  CHECK(accepting.result() == "-1 EINTR");
}

TEST_CASE("next_client reports any other failure", "[step-3]") {
  const unique_fd no_listener(::socket(AF_INET, SOCK_STREAM, 0));
  Process accepting([&] { return shown(next_client(no_listener.get())); });
  CHECK(accepting.result() == "-1 EINVAL");
}

// ---- Step 4: install_sigchld_handler

TEST_CASE("install_sigchld_handler has every ended child reaped at once", "[step-4][zombies]") {
  Process parent([] {
    install_sigchld_handler();
    mask(SIG_BLOCK, SIGCHLD);
    for (int turn = 0; turn < 20; ++turn) ended_child();
    mask(SIG_UNBLOCK, SIGCHLD);  // twenty have ended, and one SIGCHLD comes
    return children_left();
  });
  CHECK(parent.result() == "0");
}

TEST_CASE("install_sigchld_handler lets SIGCHLD interrupt what is blocked", "[step-4][eintr]") {
  Process parent([] {
    if (!install_sigchld_handler()) return std::string("it failed");
    struct sigaction now {};
    ::sigaction(SIGCHLD, nullptr, &now);
    if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) return std::string("no handler");
    return std::string(now.sa_flags & SA_RESTART ? "SA_RESTART" : "as promised");
  });
  CHECK(parent.result() == "as promised");
}

TEST_CASE("install_sigchld_handler leaves children that are only stopped alone", "[step-4]") {
  Process parent([] {
    install_sigchld_handler();
    mask(SIG_BLOCK, SIGCHLD);
    stopped_child();
    sigset_t pending;
    ::sigpending(&pending);
    const bool announced = ::sigismember(&pending, SIGCHLD) == 1;
    mask(SIG_UNBLOCK, SIGCHLD);
    return (announced ? "SIGCHLD, " : "") + children_left() + " left";
  });
  CHECK(parent.result() == "1 left");
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
  CHECK(children_of(serving.id()).size() == 10);
  for (const unique_fd& client : clients) REQUIRE(echoes(client.get(), every_byte(10 * 1000)));
}

TEST_CASE("serve leaves no zombie, and no descriptor", "[step-5][zombies][fds]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  REQUIRE(serving.falls_asleep());
  const auto before = open_descriptors(serving.id());
  const unique_fd stays = connect_to(listener.get());
  for (int turn = 0; turn < 10; ++turn) {
    const unique_fd client = connect_to(listener.get());
    REQUIRE(echoes(client.get(), "bye"));
  }
  CHECK(eventually([&] { return children_of(serving.id()).size() == 1; }));
  CHECK(open_descriptors(serving.id()) == before);
  CHECK(echoes(stays.get(), "still here?"));
}

TEST_CASE("serve goes on when fork fails", "[step-5][fork]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] {
    forks_to_fail = 2;
    return serve_with_defaults(listener.get());
  });
  for (int turn = 0; turn < 2; ++turn) {
    const unique_fd lost = connect_to(listener.get());
    CHECK(next_from(lost.get()) == "the end");
  }
  const unique_fd client = connect_to(listener.get());
  CHECK(echoes(client.get(), "still here?"));
}

TEST_CASE("serve goes on when accept has no descriptor left", "[step-5]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] {
    const rlimit none_left{0, 1024};
    ::setrlimit(RLIMIT_NOFILE, &none_left);
    return serve_with_defaults(listener.get());
  });
  REQUIRE(serving.falls_asleep());  // after EMFILE, as survive_accept_failure does
  const unique_fd client = connect_to(listener.get());
  const rlimit enough{1024, 1024};
  ::prlimit(serving.id(), RLIMIT_NOFILE, &enough, nullptr);
  CHECK(echoes(client.get(), "hello"));
}

TEST_CASE("serve's clients stay when the server is killed, and its port is free", "[step-5]") {
  unique_fd listener(open_listener("127.0.0.1", 0));
  const sockaddr_in address = address_of(listener.get());
  Process serving([&] { return serve_with_defaults(listener.get()); });
  const unique_fd client = connect_to(listener.get());
  REQUIRE(echoes(client.get(), "hello"));
  listener.reset();
  ::kill(serving.id(), SIGKILL);
  REQUIRE(serving.result() == "SIGKILL");

  const unique_fd next(open_listener("127.0.0.1", ntohs(address.sin_port)));
  CHECK(next.get() >= 0);
  CHECK(echoes(client.get(), "still here?"));
}

TEST_CASE("serve returns when the listener itself is unusable", "[step-5]") {
  Process serving([] { return serve_with_defaults(-1); });
  CHECK(serving.result() == "1");
}

// ---- Step 6: install_stop_handler, stop_children

TEST_CASE("install_stop_handler wakes a server that waits for clients", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] {
    install_stop_handler(listener.get());
    next_client(listener.get());
    return std::to_string(stop_requested);
  });
  REQUIRE(accepting.falls_asleep());
  ::kill(accepting.id(), SIGTERM);
  CHECK(accepting.result() == "1");
}

TEST_CASE("install_stop_handler is not missed by an accept that comes after it", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] {
    install_stop_handler(listener.get());
    ::raise(SIGTERM);
    ::raise(SIGTERM);  // twice: the second finds no listener any more
    return shown(next_client(listener.get()));
  });
  CHECK(accepting.result() == "-1 EINVAL");
}

TEST_CASE("stop_children ends every child and reaps it", "[step-6]") {
  Process parent([] {
    install_sigchld_handler();
    const std::vector<pid_t> children{living_child(), ended_child(), living_child()};
    stop_children(children);
    return children_left();
  });
  CHECK(parent.result() == "0");
}

TEST_CASE("stop_children ends a child that somebody has stopped", "[step-6]") {
  Process parent([] {
    stop_children({stopped_child()});
    return children_left();
  });
  CHECK(parent.result() == "0");
}

TEST_CASE("stop_children leaves processes alone that are not children", "[step-6]") {
  Process stranger([]() -> std::string {
    for (;;) ::pause();
  });
  REQUIRE(stranger.falls_asleep());
  Process parent([&] {
    const pid_t reaped = ended_child();
    ::waitpid(reaped, nullptr, 0);
    stop_children({reaped, stranger.id(), living_child()});
    return children_left();
  });
  CHECK(parent.result() == "0");
  stranger.ring();
  CHECK(stranger.falls_asleep());  // it woke, and lives
}

TEST_CASE("SIGTERM ends serve with status 0, and all its children", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  std::vector<unique_fd> clients;
  for (int turn = 0; turn < 5; ++turn) {
    clients.push_back(connect_to(listener.get()));
    REQUIRE(echoes(clients.back().get(), "hello"));
  }
  const auto children = children_of(serving.id());
  ::kill(serving.id(), SIGTERM);
  REQUIRE(serving.result() == "0");
  CHECK(children.size() == 5);
  for (const pid_t child : children) CHECK(::kill(child, 0) == -1);
  for (const unique_fd& client : clients) CHECK(next_from(client.get()) == "the end");
}
