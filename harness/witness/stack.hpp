// Who called: the return addresses that lie in the program itself.
#pragma once

#include <array>
#include <cstdint>

#include "ring.hpp"

namespace witness {

using Frames = std::array<std::uint64_t, kFrames>;

// Learns where the program lies in memory, and makes the unwinder ready. Once, before anything else.
void prepare_stacks();

// Where the program was loaded: what is subtracted from a return address to find it in the file.
std::uint64_t load_base();

// The innermost callers in the program, seen from a function with the frame `frame` that returns to
// `site`. What lies in libraries is left out; if all does, `site` alone. Async-signal-safe.
Frames callers(const void* frame, const void* site);

// The same from within a signal handler, for the code that was interrupted.
Frames interrupted(const void* context);

}  // namespace witness
