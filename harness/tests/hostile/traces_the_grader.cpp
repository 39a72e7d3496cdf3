// Tries to trace whoever it can see, and to look into their memory and descriptors.
// scores: 100
#include <fcntl.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <string>

[[gnu::constructor]] static void attack() {
  char itself[32] = "";  // in /proc, which numbers processes as the sandbox does
  (void)!::readlink("/proc/self", itself, sizeof itself - 1);
  for (int pid = 1; pid < 1000; ++pid) {
    if (pid != ::getpid() && ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0) std::abort();
    const std::string name = std::to_string(pid);
    if (name == itself) continue;
    for (const char* part : {"/mem", "/fd/3", "/root/etc/shadow"})
      if (::open(("/proc/" + name + part).c_str(), O_RDWR) != -1) std::abort();
  }
}
