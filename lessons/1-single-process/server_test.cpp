// Lesson 1, one function at a time. Run a step's tests alone: server_test '[step-4]'
#include "server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>

#include "catch.hpp"
#include "testing.hpp"

namespace {

int option_of(int socket, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(socket, SOL_SOCKET, option, &value, &size);
  return value;
}

}  // namespace

// ---- Step 1: open_listener

TEST_CASE("open_listener listens on the host and port that it was told", "[step-1]") {
  unsigned short port = 0;
  for (int turn = 0; turn < 2; ++turn) {  // first on any free port, then on that one
    const unique_fd listener(open_listener("127.0.0.2", port));
    REQUIRE(listener.get() >= 0);
    const sockaddr_in address = address_of(listener.get());
    CHECK(ntohl(address.sin_addr.s_addr) == 0x7f000002);
    CHECK((turn == 0 || ntohs(address.sin_port) == port));
    CHECK(option_of(listener.get(), SO_ACCEPTCONN) == 1);
    CHECK(connect_to(listener.get()).get() >= 0);
    port = ntohs(address.sin_port);
  }
}

TEST_CASE("open_listener allows its port to be used again at once", "[step-1]") {
  const unique_fd listener(open_listener("127.0.0.1", 0));
  REQUIRE(listener.get() >= 0);
  CHECK(option_of(listener.get(), SO_REUSEADDR) == 1);
}

TEST_CASE("open_listener says that a port is taken and leaves nothing open", "[step-1][fds]") {
  const unique_fd first = loopback_listener();
  const auto before = open_descriptors(::getpid());
  const int second = open_listener("127.0.0.1", ntohs(address_of(first.get()).sin_port));
  CHECK(shown(second) == "-1 EADDRINUSE");
  CHECK(open_descriptors(::getpid()) == before);
}

TEST_CASE("open_listener fails for a host that is no address and leaves nothing open",
          "[step-1][fds]") {
  const auto before = open_descriptors(::getpid());
  CHECK(open_listener("127.0.0.256", 0) == -1);
  CHECK(open_descriptors(::getpid()) == before);
}

// ---- Step 2: accept_client

TEST_CASE("accept_client returns the client that has connected", "[step-2]") {
  const unique_fd listener = loopback_listener();
  const unique_fd client = connect_to(listener.get());
  const unique_fd accepted(accept_client(listener.get()));
  REQUIRE(accepted.get() >= 0);
  REQUIRE(transmit(accepted.get(), "hello"));
  CHECK(receive(client.get(), 5) == "hello");
}

TEST_CASE("accept_client goes on waiting after a signal", "[step-2][eintr]") {
  const unique_fd listener = loopback_listener();
  Process accepting([&] { return shown(accept_client(listener.get()) >= 0 ? 1 : -1); });
  for (int turn = 0; turn < 3; ++turn) {
    REQUIRE(accepting.falls_asleep());
    accepting.ring();
  }
  REQUIRE(accepting.falls_asleep());
  const unique_fd client = connect_to(listener.get());
  CHECK(accepting.result() == "1");
}

TEST_CASE("accept_client reports any other failure", "[step-2]") {
  const unique_fd no_listener(::socket(AF_INET, SOCK_STREAM, 0));
  Process accepting([&] { return shown(accept_client(no_listener.get())); });
  CHECK(accepting.result() == "-1 EINVAL");
}

// ---- Step 3: read_some

TEST_CASE("read_some returns what has arrived and does not wait for more", "[step-3]") {
  Connection connection;
  limit_waits(connection.server.get());
  transmit(connection.client.get(), "one\n");
  char data[100] = {};
  CHECK(read_some(connection.server.get(), data, sizeof data) == 4);
  CHECK(std::string(data) == "one\n");
}

TEST_CASE("read_some takes no more than it was asked for", "[step-3][partial]") {
  Connection connection;
  limit_waits(connection.server.get());
  transmit(connection.client.get(), "hello");
  char data[] = "........";
  CHECK(read_some(connection.server.get(), data, 2) == 2);
  CHECK(read_some(connection.server.get(), data + 2, 6) == 3);
  CHECK(std::string(data) == "hello...");
}

TEST_CASE("read_some returns 0 once the client has sent its last byte", "[step-3]") {
  Connection connection;
  limit_waits(connection.server.get());
  transmit(connection.client.get(), "x");
  ::shutdown(connection.client.get(), SHUT_WR);
  char data[8];
  CHECK(read_some(connection.server.get(), data, sizeof data) == 1);
  CHECK(read_some(connection.server.get(), data, sizeof data) == 0);
}

TEST_CASE("read_some goes on waiting after a signal", "[step-3][eintr]") {
  Connection connection;
  Process reading(connection, [](int fd) {
    char data[8];
    return shown(read_some(fd, data, sizeof data));
  });
  for (int turn = 0; turn < 3; ++turn) {
    REQUIRE(reading.falls_asleep());
    reading.ring();
  }
  REQUIRE(reading.falls_asleep());
  transmit(connection.client.get(), "abc");
  CHECK(reading.result() == "3");
}

TEST_CASE("read_some reports a connection that was reset", "[step-3]") {
  const unique_fd listener = loopback_listener();
  unique_fd client = connect_to(listener.get());
  const unique_fd accepted(::accept(listener.get(), nullptr, nullptr));
  limit_waits(accepted.get());
  reset_connection(client);
  char data[8];
  CHECK(shown(read_some(accepted.get(), data, sizeof data)) == "-1 ECONNRESET");
}

// ---- Step 4: write_all

TEST_CASE("write_all sends everything to a client that reads little by little", "[step-4]") {
  Connection connection;
  shrink_send_buffer(connection.server.get());
  const std::string sent = every_byte(1 << 20);
  Process writing(connection,
                  [&](int fd) { return shown(write_all(fd, sent.data(), sent.size())); });
  REQUIRE(writing.falls_asleep());
  std::string got;
  while (got.size() < sent.size()) {
    const std::string piece = receive(connection.client.get(), 1000);
    if (piece.empty()) break;
    got += piece;
  }
  CHECK((got == sent));
  CHECK(writing.result() == "1");
}

TEST_CASE("write_all sends everything although signals cut every write short",
          "[step-4][partial][eintr]") {
  Connection connection;
  shrink_send_buffer(connection.server.get());
  const std::string sent = every_byte(1 << 16);
  Process writing(connection,
                  [&](int fd) { return shown(write_all(fd, sent.data(), sent.size())); });
  // The first signal finds a send that has filled the buffer: it returns what it took. The second
  // finds one that has taken nothing: it fails with EINTR.
  std::string got;
  for (int turn = 0; turn < 8; ++turn) {
    for (int signals = 0; signals < 2; ++signals) {
      REQUIRE(writing.falls_asleep());
      writing.ring();
    }
    REQUIRE(writing.falls_asleep());
    int queued = 0;
    ::ioctl(connection.client.get(), FIONREAD, &queued);
    got += receive(connection.client.get(), static_cast<std::size_t>(queued));
  }
  got += receive(connection.client.get(), sent.size() - got.size());
  CHECK((got == sent));
  CHECK(writing.result() == "1");
  CHECK(next_from(connection.client.get()) == "the end");
}

TEST_CASE("write_all says that the client is gone, and no SIGPIPE is raised", "[step-4]") {
  Connection connection;
  Process writing(connection, [](int fd) {
    ::pause();
    return write_all(fd, "x", 1) ? "true" : shown(-1);
  });
  REQUIRE(writing.falls_asleep());
  connection.client.reset();
  writing.ring();
  CHECK(writing.result() == "-1 EPIPE");
}

TEST_CASE("write_all has nothing to do for no bytes", "[step-4]") {
  Connection connection;
  CHECK(write_all(connection.server.get(), "", 0));
}

// ---- Step 5: echo_client

TEST_CASE("echo_client sends everything back, then returns how much it was", "[step-5]") {
  Connection connection;
  Process echoing(connection, [](int fd) { return std::to_string(echo_client(fd)); });
  const std::string sent = every_byte(300 * 1000);
  REQUIRE(echoes(connection.client.get(), "a"));
  REQUIRE(echoes(connection.client.get(), sent));
  ::shutdown(connection.client.get(), SHUT_WR);
  CHECK(echoing.result() == "300001");
}

TEST_CASE("echo_client sends back what came just before the end", "[step-5]") {
  Connection connection;
  transmit(connection.client.get(), "last words");
  ::shutdown(connection.client.get(), SHUT_WR);
  Process echoing(connection, [](int fd) { return std::to_string(echo_client(fd)); });
  CHECK(receive(connection.client.get(), 10) == "last words");
  CHECK(echoing.result() == "10");
}

TEST_CASE("echo_client leaves closing the client to its caller", "[step-5][fds]") {
  Connection connection;
  ::shutdown(connection.client.get(), SHUT_WR);
  Process echoing(connection, [](int fd) {
    echo_client(fd);
    return shown(::fcntl(fd, F_GETFD) < 0 ? -1 : 0);
  });
  CHECK(echoing.result() == "0");
}

TEST_CASE("echo_client returns when the client is gone while it reads", "[step-5]") {
  Connection connection;
  Process echoing(connection, [](int fd) { return std::to_string(echo_client(fd)); });
  REQUIRE(echoes(connection.client.get(), "hello"));
  transmit(connection.client.get(), "again");
  connection.client.reset();  // perhaps with the second echo unread: then it is a reset
  const std::string echoed = echoing.result();
  CHECK((echoed == "5" || echoed == "10"));
}

TEST_CASE("echo_client returns when the client is gone while it writes", "[step-5]") {
  Connection connection;
  shrink_send_buffer(connection.server.get());
  transmit(connection.client.get(), every_byte(16 * 1024));
  Process echoing(connection, [](int fd) { return std::to_string(echo_client(fd)); });
  REQUIRE(echoing.falls_asleep());
  connection.client.reset();
  const std::string echoed = echoing.result();
  REQUIRE(echoed != "runs on");
  CHECK(std::stoul(echoed) < 16 * 1024);
}

// ---- Step 6: serve

TEST_CASE("serve serves one client after another", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  unique_fd first = connect_to(listener.get());
  const unique_fd second = connect_to(listener.get());
  REQUIRE(transmit(second.get(), "second"));
  REQUIRE(echoes(first.get(), "first"));
  CHECK(::recv(second.get(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK) == -1);  // nothing yet
  first.reset();
  CHECK(receive(second.get(), 6) == "second");
}

TEST_CASE("serve closes each client when it has left", "[step-6][fds]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  REQUIRE(serving.falls_asleep());
  const auto before = open_descriptors(serving.id());
  for (int turn = 0; turn < 5; ++turn) {
    const unique_fd client = connect_to(listener.get());
    REQUIRE(echoes(client.get(), "bye"));
    ::shutdown(client.get(), SHUT_WR);
    REQUIRE(next_from(client.get()) == "the end");
  }
  CHECK(eventually([&] { return open_descriptors(serving.id()) == before; }));
}

TEST_CASE("serve survives a client whose connection is reset", "[step-6]") {
  const unique_fd listener = loopback_listener();
  Process serving([&] { return serve_with_defaults(listener.get()); });
  unique_fd lost = connect_to(listener.get());
  REQUIRE(echoes(lost.get(), "hello"));
  reset_connection(lost);
  const unique_fd next = connect_to(listener.get());
  CHECK(echoes(next.get(), "still here?"));
}

TEST_CASE("serve goes on when accept has no descriptor left", "[step-6]") {
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

TEST_CASE("serve returns when the listener itself is unusable", "[step-6]") {
  Process serving([] { return serve_with_defaults(-1); });
  CHECK(serving.result() == "1");
}
