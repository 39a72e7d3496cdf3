#include "pattern.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace {

// One period, and as much again as is looked at in one piece, so that nobody has to wrap around.
const std::vector<char>& table() {
  static const std::vector<char> bytes = [] {
    std::vector<char> made(Pattern::kPeriod + Pattern::kMost);
    std::uint32_t state = 2463534242;  // xorshift, Marsaglia 2003
    for (std::size_t i = 0; i < made.size(); ++i) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      made[i] = i < Pattern::kPeriod ? static_cast<char>(state >> 24) : made[i - Pattern::kPeriod];
    }
    return made;
  }();
  return bytes;
}

}  // namespace

std::span<const char> Pattern::at(std::uint64_t position, std::size_t size) const {
  return {table().data() + (start_ + position) % kPeriod, size};
}

std::size_t Pattern::matches(std::uint64_t position, std::span<const char> got) const {
  const std::span<const char> sent = at(position, got.size());
  if (std::memcmp(sent.data(), got.data(), got.size()) == 0) return got.size();
  return static_cast<std::size_t>(std::ranges::mismatch(sent, got).in1 - sent.begin());
}
