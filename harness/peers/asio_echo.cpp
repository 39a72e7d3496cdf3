// An echo server as one writes it with Asio's blocking calls, to compare ours with.
//
//   asio_echo single|thread|pool PORT [THREADS]
#include <asio.hpp>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <utility>

using asio::ip::tcp;

namespace {

void echo(tcp::socket client) {
  char data[16 * 1024];
  std::error_code error;
  for (;;) {
    const std::size_t count = client.read_some(asio::buffer(data), error);
    if (error) return;
    asio::write(client, asio::buffer(data, count), error);
    if (error) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string_view model = argv[1];
  const auto port = static_cast<unsigned short>(std::atoi(argv[2]));
  asio::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), port));
  asio::thread_pool pool(argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 4);
  for (;;) {
    tcp::socket client = acceptor.accept();
    if (model == "single") {
      echo(std::move(client));
    } else if (model == "thread") {
      std::thread(echo, std::move(client)).detach();
    } else {
      asio::post(pool, [client = std::move(client)]() mutable { echo(std::move(client)); });
    }
  }
}
