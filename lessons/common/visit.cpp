#include "visit.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cinttypes>
#include <cstdio>

namespace {

bool announced = false;

// Asked for when the client comes: after a reset the kernel no longer knows (ENOTCONN).
std::string peer_of(int client) {
  sockaddr_in peer{};
  socklen_t size = sizeof peer;
  char text[INET_ADDRSTRLEN] = "?";
  if (::getpeername(client, reinterpret_cast<sockaddr*>(&peer), &size) == 0) {
    ::inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
  }
  return std::string(text) + ":" + std::to_string(ntohs(peer.sin_port));
}

}  // namespace

void announce_visits(bool on) { announced = on; }

Visit::Visit(int client) {
  if (!announced) return;
  peer_ = peer_of(client);
  std::fprintf(stderr, "%s came\n", peer_.c_str());
}

Visit::~Visit() {
  if (!announced) return;
  std::fprintf(stderr, "%s went: %" PRIu64 " bytes echoed\n", peer_.c_str(), bytes_);
}
