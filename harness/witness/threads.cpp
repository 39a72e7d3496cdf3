// Threads: man 3 pthread_create, pthread_join, pthread_detach, pthread_cond_wait.
#include <pthread.h>

#include "wrap.hpp"

using witness::Call;
using witness::Kind;

namespace {

NEXT(pthread_create)
NEXT(pthread_join)
NEXT(pthread_detach)
// These have been changed once, and keep their old version beside the new one (x86_64 only).
NEXT_VERSION(pthread_cond_wait, "GLIBC_2.3.2")
NEXT_VERSION(pthread_cond_timedwait, "GLIBC_2.3.2")
NEXT_VERSION(pthread_cond_signal, "GLIBC_2.3.2")
NEXT_VERSION(pthread_cond_broadcast, "GLIBC_2.3.2")
NEXT(pthread_cond_clockwait)

// What a new thread is to run, until it has begun. Nothing is allocated: there are so many places,
// and a thread that finds none is not seen at its birth and end.
struct Beginning {
  std::atomic<bool> taken;
  void* (*run)(void*);
  void* argument;
};
Beginning beginnings[128];

Beginning* take_place() {
  for (Beginning& place : beginnings) {
    if (!place.taken.exchange(true)) return &place;
  }
  return nullptr;
}

// Its destructor runs however a thread ends: by a return, pthread_exit or cancellation.
pthread_key_t end_key;
bool has_end_key = false;

void note_end(void*) { witness::record({.kind = Kind::kEnd, .call = witness::kThread}, {}); }

[[gnu::constructor]] void make_end_key() {
  has_end_key = pthread_key_create(&end_key, note_end) == 0;
}

void* begin(void* pointer) {
  auto* const place = static_cast<Beginning*>(pointer);
  const auto run = place->run;
  void* const argument = place->argument;
  place->taken.store(false);
  witness::record({.kind = Kind::kStart, .call = witness::kThread}, {});
  if (has_end_key) pthread_setspecific(end_key, &end_key);
  return run(argument);
}

// The pthread functions return their error; for those that take time, or may fail.
template <typename Body>
[[gnu::always_inline]] inline int returned(Call call, const void* frame, const void* site,
                                           Body body) {
  witness::Seen seen({call}, frame, site);
  const witness::Disturbance disturbed = witness::disturbance(call, -1);
  const int error = disturbed.error != 0 ? disturbed.error : body();
  seen.ended(error, error);
  return error;
}

}  // namespace

VISIBLE int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                           void* argument) noexcept {
  return returned(Call::k_pthread_create, HERE, [&] {
    Beginning* const place = witness::ring() != nullptr ? take_place() : nullptr;
    if (place == nullptr) return next_pthread_create(thread, attributes, run, argument);
    place->run = run;
    place->argument = argument;
    const int error = next_pthread_create(thread, attributes, begin, place);
    if (error != 0) place->taken.store(false);
    return error;
  });
}

VISIBLE int pthread_join(pthread_t thread, void** result) {
  return returned(Call::k_pthread_join, HERE, [&] { return next_pthread_join(thread, result); });
}

VISIBLE int pthread_detach(pthread_t thread) noexcept {
  return returned(Call::k_pthread_detach, HERE, [&] { return next_pthread_detach(thread); });
}

VISIBLE int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  return returned(Call::k_pthread_cond_wait, HERE,
                  [&] { return next_pthread_cond_wait(condition, mutex); });
}

VISIBLE int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                   const timespec* until) {
  return returned(Call::k_pthread_cond_timedwait, HERE,
                  [&] { return next_pthread_cond_timedwait(condition, mutex, until); });
}

VISIBLE int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                   clockid_t clock, const timespec* until) {
  return returned(Call::k_pthread_cond_clockwait, HERE,
                  [&] { return next_pthread_cond_clockwait(condition, mutex, clock, until); });
}

VISIBLE int pthread_cond_signal(pthread_cond_t* condition) noexcept {
  return returned(Call::k_pthread_cond_signal, HERE,
                  [&] { return next_pthread_cond_signal(condition); });
}

VISIBLE int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  return returned(Call::k_pthread_cond_broadcast, HERE,
                  [&] { return next_pthread_cond_broadcast(condition); });
}
