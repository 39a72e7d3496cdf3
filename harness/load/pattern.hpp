// What a client sends, and whether what comes back is that. Every byte is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

// An endless stream of bytes that looks random; each client has another part of it. It repeats after
// kPeriod bytes, a prime: a server that loses, doubles or swaps bytes in round numbers (a buffer, a
// page) does not get away with it, nor one that sends a client what is another's.
class Pattern {
 public:
  static constexpr std::size_t kPeriod = 65521;
  static constexpr std::size_t kMost = 256 * 1024;  // bytes that can be looked at in one piece

  explicit Pattern(std::size_t client) : start_(client * 7919 % kPeriod) {}

  // The `size` (up to kMost) bytes from `position` on.
  std::span<const char> at(std::uint64_t position, std::size_t size) const;

  // How many bytes of `got` are those that stand at `position`, from the first on.
  std::size_t matches(std::uint64_t position, std::span<const char> got) const;

 private:
  std::size_t start_;
};
