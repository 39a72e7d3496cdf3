// Tries to reach the machine that it is graded on, and the world.
// scores: 100
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>

[[gnu::constructor]] static void attack() {
  for (const char* host : {"127.0.0.1", "@ADDRESS@", "192.0.2.1", "169.254.169.254"}) {
    for (const int port : {std::atoi("@PORT@"), 53, 80}) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<std::uint16_t>(port));
      ::inet_pton(AF_INET, host, &address.sin_addr);
      const int out = ::socket(AF_INET, SOCK_STREAM, 0);
      if (::connect(out, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) std::abort();
      ::close(out);
    }
  }
  sockaddr_un name{AF_UNIX, "@SOCKET@"};
  const int local = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (::connect(local, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) std::abort();
  ::close(local);
}
