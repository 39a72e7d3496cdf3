// Makes a program's system calls fail on demand, from outside it: also a static one, in any language.
#pragma once

#include <string>

// A call that can be made to fail.
enum class Call { kFork, kAccept };
constexpr int kCalls = 2;
const char* name_of(Call call);

// In the program's own process, before its exec: from now on each such call of it and of all that
// descends from it waits until the owner of the descriptor that this returns has answered. Sets
// no_new_privs, which nobody can undo. Throws std::system_error where the kernel has no seccomp
// listeners (man 2 seccomp_unotify; Linux 5.0).
int ask_before_calls();

// The owner's side: what is asked for, and which calls are to fail.
class Disturber {
 public:
  explicit Disturber(int listener) : listener_(listener) {}
  int listener() const { return listener_; }

  // The next such call fails with the errno `error`. An order is a Call's name and a number.
  // Returns false if the order makes no sense.
  bool take_order(const std::string& order);

  // Answers one question. Returns the name of the call that was made to fail, or "" if it goes on.
  std::string answer();

 private:
  int listener_;
  int next_error_[kCalls] = {};
};
