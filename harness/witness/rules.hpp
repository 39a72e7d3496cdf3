// What the grader wants to happen to a call, instead of what would.
#pragma once

#include <cstddef>

#include "recorder.hpp"

namespace witness {

struct Disturbance {
  int error = 0;                       // it fails with this errno, and does not happen
  std::size_t most = ~std::size_t{0};  // it is asked for at most so many bytes
};

// Looks for a rule that is due for this call on `fd`, and counts it.
Disturbance disturbance(Call call, int fd);

// Whether some handler is installed without SA_RESTART in this process, so that EINTR is possible.
bool eintr_is_possible();

}  // namespace witness
