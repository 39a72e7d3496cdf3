// Read first: seccomp_unotify(2). The kernel stops the caller and asks us; "continue" lets the call
// happen as if nobody had looked, an error makes it fail without having happened.
#include "disturb.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <vector>

namespace {

struct Number {
  unsigned number;
  Call call;
};
constexpr Number kNumbers[] = {
#ifdef SYS_fork
    {SYS_fork, Call::kFork},
    {SYS_vfork, Call::kFork},
#endif
    {SYS_clone, Call::kFork},     {SYS_clone3, Call::kFork},
    {SYS_accept, Call::kAccept}, {SYS_accept4, Call::kAccept},
};
#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the lab knows the system calls of x86_64 and aarch64"
#endif

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset));
}

// Skips the next instruction unless the loaded word is `value`.
sock_filter unless(unsigned value) { return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1); }

}  // namespace

const char* name_of(Call call) { return call == Call::kFork ? "fork" : "accept"; }

int ask_before_calls() {
  const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_filter ask = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  // Another architecture's numbers mean other calls: those are let through.
  std::vector<sock_filter> program = {
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      allow,
      load(offsetof(seccomp_data, nr)),
  };
  for (const Number& known : kNumbers) {
    program.push_back(unless(known.number));
    program.push_back(ask);
  }
  program.push_back(allow);

  const sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) == -1) {
    throw std::system_error(errno, std::generic_category(), "no_new_privs");
  }
  const long listener =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (listener == -1) throw std::system_error(errno, std::generic_category(), "seccomp");
  return static_cast<int>(listener);
}

bool Disturber::take_order(const std::string& order) {
  char word[16] = "";
  int error = 0;
  if (std::sscanf(order.c_str(), "fail %15s %d", word, &error) != 2 || error < 1) return false;
  for (const Call call : {Call::kFork, Call::kAccept}) {
    if (std::strcmp(word, name_of(call)) != 0) continue;
    next_error_[static_cast<int>(call)] = error;
    return true;
  }
  return false;
}

std::string Disturber::answer() {
  seccomp_notif question{};
  // ENOENT: a signal has taken the caller out of its call, or it has ended.
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_RECV, &question) == -1) return "";
  seccomp_notif_resp reply{};
  reply.id = question.id;
  reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  std::string failed;
  int* order = nullptr;
  for (const Number& known : kNumbers) {
    if (known.number != static_cast<unsigned>(question.data.nr)) continue;
    order = &next_error_[static_cast<int>(known.call)];
    if (*order == 0) continue;
    reply.flags = 0;
    reply.error = -*order;
    failed = name_of(known.call);
  }
  // The caller may have gone meanwhile: then the failure has happened to nobody, and is still due.
  if (::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &reply) == -1) return "";
  if (!failed.empty()) *order = 0;
  return failed;
}
