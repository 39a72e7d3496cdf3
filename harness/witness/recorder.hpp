// Writes events into the ring. Everything here is async-signal-safe, may be called from any thread
// and after any fork, allocates nothing and leaves errno as it was.
#pragma once

#include <cstdint>

#include "ring.hpp"
#include "stack.hpp"

namespace witness {

// The numbers of the calls, as calls.def has them.
enum class Call : std::uint8_t {
#define CALL(name) k_##name,
#include "calls.def"
#undef CALL
};

constexpr std::uint8_t kProcess = 0, kThread = 1;

struct Event {
  Kind kind;
  std::uint8_t call;
  int fd = -1;
  long result = 0;
  int error = 0;
  long first = 0, second = 0;  // arguments
};

// Maps the file at `path`. False, with errno set, if that is not possible or is no ring: then
// nothing is recorded. The file is closed again: a server may close every descriptor that it finds.
bool open_ring(const char* path);

Header* ring();  // nullptr if there is none

void record(const Event& event, const Frames& frames);

// Notes the birth of a process that was made without our seeing it, and of the first one.
void record_birth();

}  // namespace witness
