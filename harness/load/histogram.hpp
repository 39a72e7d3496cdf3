// How long things took: counts of durations, exact to 1 part in 128. Neither Debian 12 nor 13 has a
// C++ HdrHistogram; this is the part of its idea that is needed here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// A log-linear histogram. Below 256 ns each nanosecond has a bucket; above, each power of two is cut
// into 128 equal ones. So a value that is read back is too high by less than 1/128, whatever its
// size, and recording costs a shift and an addition.
class Histogram {
 public:
  // Counts one duration, in nanoseconds. Negative ones count as 0.
  void record(std::int64_t nanoseconds);

  std::uint64_t count() const { return count_; }
  std::int64_t least() const { return count_ ? least_ : 0; }
  std::int64_t most() const { return most_; }
  double mean() const { return count_ ? sum_ / static_cast<double>(count_) : 0; }

  // The least duration that `share` (0 to 1) of all durations do not exceed; 0 if there are none.
  std::int64_t at(double share) const;

 private:
  static constexpr int kBits = 7;
  static constexpr std::size_t kBuckets = (64 - kBits) << kBits;

  static std::size_t bucket(std::uint64_t value);
  static std::uint64_t highest(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
  std::int64_t least_ = INT64_MAX;
  std::int64_t most_ = 0;
};
