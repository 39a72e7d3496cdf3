// How a call is wrapped: an event before, perhaps a disturbance, the call, an event after.
#pragma once

#include <cerrno>
#include <utility>

#include "recorder.hpp"
#include "rules.hpp"

namespace witness {

// The function `name` that would have been called without us. nullptr if there is none.
void* next_function(const char* name, const char* version = nullptr);

// Looked up before main() (NEXT, below): dlsym is not async-signal-safe. Other libraries begin before
// us, though, and may call it earlier.
template <typename Function>
class Next {
 public:
  constexpr explicit Next(const char* name, const char* version = nullptr)
      : name_(name), version_(version) {}

  template <typename... Arguments>
  auto operator()(Arguments... arguments) const {
    return get()(arguments...);
  }
  Function* get() const {
    auto* found = function_.load(std::memory_order_relaxed);
    if (found == nullptr) {
      found = reinterpret_cast<Function*>(next_function(name_, version_));
      function_.store(found, std::memory_order_relaxed);
    }
    return found;
  }

 private:
  const char* name_;
  const char* version_;
  mutable std::atomic<Function*> function_{nullptr};
};

// What is recorded of a call besides its result.
struct About {
  Call call;
  int fd = -1;
  long first = 0, second = 0;
};

// A call's two events.
class Seen {
 public:
  Seen(const About& about, const void* frame, const void* site)
      : about_(about), frames_(ring() != nullptr ? callers(frame, site) : Frames{}) {
    record({.kind = Kind::kEnter,
            .call = static_cast<std::uint8_t>(about_.call),
            .fd = about_.fd,
            .first = about_.first,
            .second = about_.second},
           frames_);
  }
  // `error` is the call's errno, 0 if it has not failed.
  void ended(long result, int error, long first) {
    record({.kind = Kind::kExit,
            .call = static_cast<std::uint8_t>(about_.call),
            .fd = about_.fd,
            .result = result,
            .error = error,
            .first = first,
            .second = about_.second},
           frames_);
  }
  void ended(long result, int error) { ended(result, error, about_.first); }

 private:
  About about_;
  Frames frames_;
};

// Runs `call`, which returns -1 and sets errno when it fails.
template <typename Body>
[[gnu::always_inline]] inline auto observed(const About& about, const void* frame, const void* site,
                                            Body body) {
  Seen seen(about, frame, site);
  const Disturbance disturbed = disturbance(about.call, about.fd);
  decltype(body(disturbed.most)) result = -1;
  if (disturbed.error != 0) {
    errno = disturbed.error;
  } else {
    result = body(disturbed.most);
  }
  seen.ended(static_cast<long>(result), result == -1 ? errno : 0);
  return result;
}

}  // namespace witness

// The original of a call as `next_NAME`.
#define NEXT_VERSION(name, ...)                                                \
  constinit witness::Next<decltype(::name)> next_##name(#name, ##__VA_ARGS__); \
  [[gnu::constructor(101)]] void resolve_##name() { next_##name.get(); }
#define NEXT(name) NEXT_VERSION(name)

// To be used in the wrapper itself: its own frame, and the address it returns to.
#define HERE __builtin_frame_address(0), __builtin_return_address(0)
#define VISIBLE extern "C" [[gnu::visibility("default")]]
