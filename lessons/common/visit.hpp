// Says who came and who went. Given code.
#pragma once

#include <cstdint>
#include <string>

// Whether clients are announced at all: main() sets it from --verbose, before the first client.
void announce_visits(bool on);

// One client's stay. With --verbose it prints a line on stderr when the client comes (address and
// port) and, at the end of the block, one when it goes (the bytes that were echoed).
class Visit {
 public:
  explicit Visit(int client);
  ~Visit();
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  void echoed(std::uint64_t bytes) { bytes_ = bytes; }

 private:
  std::string peer_;
  std::uint64_t bytes_ = 0;
};
