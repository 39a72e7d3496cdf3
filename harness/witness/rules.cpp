#include "rules.hpp"

#include <cerrno>

namespace witness {
namespace {

bool is_due(Rule& rule, Call call, int fd) {
  if (rule.state.load(std::memory_order_acquire) != 1) return false;
  if (rule.call != static_cast<std::uint32_t>(call)) return false;
  if (rule.fd != -1 && rule.fd != fd) return false;
  const auto action = static_cast<Action>(rule.action);
  if (action == Action::kFail && rule.value == EINTR && !eintr_is_possible()) return false;
  // Counted by the rule, and so across all processes and threads.
  if (rule.skip.load(std::memory_order_relaxed) > 0 && rule.skip.fetch_sub(1) > 0) return false;
  const std::int64_t left = rule.times.fetch_sub(1);
  if (left <= 1) rule.state.store(2, std::memory_order_release);
  return left > 0;
}

}  // namespace

Disturbance disturbance(Call call, int fd) {
  Disturbance found;
  Header* const header = ring();
  if (header == nullptr) return found;
  std::uint32_t count = header->rules.load(std::memory_order_relaxed);
  if (count == 0) return found;
  if (count > kRules) count = kRules;
  for (Rule& rule : header->rule) {
    if (count-- == 0) break;
    if (!is_due(rule, call, fd)) continue;
    if (static_cast<Action>(rule.action) == Action::kFail) found.error = rule.value;
    if (static_cast<Action>(rule.action) == Action::kShorten) {
      found.most = static_cast<std::size_t>(rule.value);
    }
  }
  return found;
}

}  // namespace witness
