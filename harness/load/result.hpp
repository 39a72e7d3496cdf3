// What was measured, and how it ended.
#pragma once

#include <cstdint>
#include <string>

#include "histogram.hpp"
#include "plan.hpp"

// Also the exit status of `load`.
enum class Ending {
  complete = 0,
  server_failed = 1,  // it died, answered wrongly, or not at all
  cannot_measure = 3,
  interrupted = 130,
};

// Processor time of this program, in seconds: `cpu` of it, `user` of that in its own code and not in
// the kernel (by clock ticks, man 2 getrusage).
struct Usage {
  double cpu = 0;
  double user = 0;
};

struct Result {
  Ending ending = Ending::complete;
  std::string problem;  // one line; empty if the ending is complete
  double seconds = 0;   // that were really measured
  std::uint64_t round_trips = 0;
  std::uint64_t bytes = 0;  // that came back, all checked
  Usage used;               // while it measured
  Histogram latency;        // from when a message was due to its last byte's return
  Histogram lateness;       // from when a message was due to when it was sent

  double per_second() const { return seconds > 0 ? static_cast<double>(round_trips) / seconds : 0; }
};

std::string as_json(const Plan& plan, const Result& result);
std::string as_text(const Plan& plan, const Result& result);
