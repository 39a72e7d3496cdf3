#include "histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

// A value's leading bit says which power of two it is in, the kBits after that which bucket there.
std::size_t Histogram::bucket(std::uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (kBits + 1));
  return (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(value >> shift);
}

std::uint64_t Histogram::highest(std::size_t bucket) {
  if (bucket < std::size_t{2} << kBits) return bucket;
  const std::size_t shift = (bucket >> kBits) - 1;
  return ((bucket - (shift << kBits) + 1) << shift) - 1;
}

void Histogram::record(std::int64_t nanoseconds) {
  nanoseconds = std::max<std::int64_t>(nanoseconds, 0);
  ++counts_[bucket(static_cast<std::uint64_t>(nanoseconds))];
  ++count_;
  sum_ += static_cast<double>(nanoseconds);
  least_ = std::min(least_, nanoseconds);
  most_ = std::max(most_, nanoseconds);
}

std::int64_t Histogram::at(double share) const {
  const double wanted = std::ceil(share * static_cast<double>(count_));
  const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    // The highest value that was met is known exactly.
    if (seen >= rank) return std::min(static_cast<std::int64_t>(highest(i)), most_);
  }
  return 0;
}
