// Tries to become root, in a user namespace of its own if need be, and to mount over the system.
// scores: 100
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>

[[gnu::constructor]] static void attack() {
  if (::setuid(0) == 0) std::abort();
  if (::fork() != 0) return;
  ::alarm(20);
  ::unshare(CLONE_NEWUSER | CLONE_NEWNS);
  ::mount("none", "/usr", "tmpfs", 0, nullptr);
  ::mount("none", "/", nullptr, MS_REMOUNT | MS_BIND, nullptr);
  (void)!::chroot("/tmp");
  ::_exit(0);
}
