// Read first: man 3 dl_iterate_phdr, and the unwinding interface of the Itanium C++ ABI
// (_Unwind_Backtrace). Since glibc 2.35 it takes no lock and allocates nothing (_dl_find_object).
#include "stack.hpp"

#include <link.h>
#include <ucontext.h>
#include <unwind.h>

#include <cstddef>

namespace witness {
namespace {

constexpr int kDeepest = 24;  // frames that are looked at: a library may call back through many

std::uint64_t base = 0, program_begin = 0, program_end = 0;

bool in_program(std::uint64_t address) { return address >= program_begin && address < program_end; }

struct Walk {
  std::uint64_t first;  // frames before this one are our own
  bool reached = false;
  int looked_at = 0;
  int found = 0;
  Frames frames{};
  std::uint64_t top[kFrames]{};  // where on the stack the frame above each one ends
};

_Unwind_Reason_Code step(_Unwind_Context* context, void* pointer) {
  Walk& walk = *static_cast<Walk*>(pointer);
  const std::uint64_t address = _Unwind_GetIP(context);
  if (!walk.reached && address != walk.first) {
    return ++walk.looked_at < kDeepest ? _URC_NO_REASON : _URC_END_OF_STACK;
  }
  walk.reached = true;
  if (in_program(address)) {
    walk.top[walk.found] = _Unwind_GetCFA(context);
    walk.frames[static_cast<std::size_t>(walk.found++)] = address;
  }
  const bool enough = walk.found == kFrames || ++walk.looked_at >= kDeepest;
  return enough ? _URC_END_OF_STACK : _URC_NO_REASON;
}

// Unwinding costs a microsecond, and a server makes the same calls from the same places all the time.
// So each thread remembers some stacks: as long as the return addresses still stand where they stood,
// the stack is the same.
struct Remembered {
  const void* frame;
  const void* site;
  int count;
  Frames frames;
  const std::uint64_t* slots[kFrames];
};
constexpr std::size_t kRemembered = 16;
[[gnu::tls_model("initial-exec")]] thread_local Remembered remembered[kRemembered];
[[gnu::tls_model("initial-exec")]] thread_local volatile bool busy =
    false;  // a handler came between

bool still_there(const Remembered& known) {
  for (int i = 0; i < known.count; ++i) {
    if (*known.slots[i] != known.frames[static_cast<std::size_t>(i)]) return false;
  }
  return true;
}

// The word on the stack that holds the return address, just below where the frame above ends.
const std::uint64_t* slot_of(std::uint64_t address, std::uint64_t top, const void* lowest) {
  const auto* const bottom = static_cast<const std::uint64_t*>(lowest);
  const auto* word = reinterpret_cast<const std::uint64_t*>(top);
  for (int tries = 0; tries < 64 && --word >= bottom; ++tries) {
    if (*word == address) return word;
  }
  return nullptr;
}

Frames unwound(const void* frame, const void* site, Remembered* keep) {
  Walk walk{.first = reinterpret_cast<std::uint64_t>(site)};
  _Unwind_Backtrace(step, &walk);
  if (walk.found == 0) return {walk.first};
  if (keep == nullptr) return walk.frames;
  for (int i = 0; i < walk.found; ++i) {
    keep->slots[i] = slot_of(walk.frames[static_cast<std::size_t>(i)], walk.top[i], frame);
    if (keep->slots[i] == nullptr) return walk.frames;
  }
  keep->frame = frame;
  keep->site = site;
  keep->count = walk.found;
  keep->frames = walk.frames;
  return walk.frames;
}

}  // namespace

void prepare_stacks() {
  const auto look = [](dl_phdr_info* object, std::size_t, void*) {
    base = object->dlpi_addr;
    program_begin = ~std::uint64_t{0};
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& part = object->dlpi_phdr[i];
      if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
      if (base + part.p_vaddr < program_begin) program_begin = base + part.p_vaddr;
      program_end = base + part.p_vaddr + part.p_memsz;
    }
    return 1;  // the first is the program
  };
  dl_iterate_phdr(look, nullptr);
  Walk nobody{.first = 0};
  _Unwind_Backtrace(step, &nobody);  // its tables are filled now, and not in a handler
}

std::uint64_t load_base() { return base; }

Frames callers(const void* frame, const void* site) {
  const std::uint64_t key =
      reinterpret_cast<std::uint64_t>(frame) / 16 + reinterpret_cast<std::uint64_t>(site);
  Remembered& known = remembered[key % kRemembered];
  if (busy) return unwound(frame, site, nullptr);
  busy = true;
  Frames found;
  if (known.frame == frame && known.site == site && still_there(known)) {
    found = known.frames;
  } else {
    known.frame = nullptr;
    found = unwound(frame, site, &known);
  }
  busy = false;
  return found;
}

Frames interrupted(const void* context) {
  const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto address = static_cast<std::uint64_t>(registers.gregs[REG_RIP]);
#elif defined(__aarch64__)
  const auto address = static_cast<std::uint64_t>(registers.pc);
#else
#error "the lab knows x86_64 and aarch64"
#endif
  Walk walk{.first = address};
  _Unwind_Backtrace(step, &walk);
  // No call was there: the address is of the instruction itself. Those who look it up subtract one.
  if (walk.found == 0) return {address + 1};
  if (walk.frames[0] == address) ++walk.frames[0];
  return walk.frames;
}

}  // namespace witness
