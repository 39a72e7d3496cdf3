// What the server under observation and the grader share: one file, mapped by the one, read and
// written by the other with pread and pwrite (echolab/witness.py knows these offsets).
//
//   0     Header     who may write what is said at each field
//   4096  Slot[]     the ring; event number n stands in slot n % slots
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace witness {

constexpr std::uint64_t kMagic = 0x31'73'73'65'6e'74'69'77;  // "witness1"
constexpr std::size_t kHeaderBytes = 4096;
constexpr int kFrames = 4;
constexpr int kRules = 16;

enum class Kind : std::uint8_t {
  kEnter = 1,
  kExit,
  kSignal,  // a handler is about to run; `call` is the signal's number
  kStart,   // `call` is 0 for a process, 1 for a thread
  kEnd,     // likewise
  kReturn,  // a handler has returned; `error` is what it leaves in errno, if it has changed that
  kSample,  // where this thread was when the grader asked
};

struct Slot {
  std::atomic<std::uint64_t> number;  // of the event, plus 1; 0 while it is being written
  std::int64_t time;                  // nanoseconds of CLOCK_MONOTONIC
  std::int32_t pid;                   // as the server itself sees it: a namespace may be between us
  std::int32_t tid;
  std::int32_t fd;  // -1 where the call has none
  std::uint16_t error;
  std::uint8_t kind;
  std::uint8_t call;
  std::int64_t result;
  std::int64_t arguments[2];  // what they mean depends on the call: see echolab/witness.py
  std::uint64_t frames[kFrames];
};
static_assert(sizeof(Slot) == 88);

enum class Action : std::uint32_t { kFail = 1, kShorten = 2 };

// An order of the grader's: "let the third accept fail with EMFILE".
struct Rule {
  std::atomic<std::uint32_t> state;  // 0: unused. The grader writes 1 last; at 2 it is used up
  std::uint32_t call;
  std::uint32_t action;
  std::int32_t value;  // the errno, or the number of bytes that are left of a request
  std::int32_t fd;     // -1: any
  std::int32_t reserved;
  std::atomic<std::int64_t> skip;   // so many such calls are let through first, in all processes
  std::atomic<std::int64_t> times;  // and so many are disturbed then
  std::int64_t room[2];
};
static_assert(sizeof(Rule) == 56);

struct Header {
  std::uint64_t magic;  // written by the grader, before the server starts
  std::uint32_t version;
  std::uint32_t slots;
  alignas(64) std::atomic<std::uint64_t> written;  // events so far, by the server
  alignas(64) std::atomic<std::uint32_t> rules;    // how many of `rule` to look at, by the grader
  alignas(64) Rule rule[kRules];
};
static_assert(sizeof(Header) <= kHeaderBytes);
static_assert(offsetof(Header, written) == 64 && offsetof(Header, rules) == 128 &&
              offsetof(Header, rule) == 192);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace witness
