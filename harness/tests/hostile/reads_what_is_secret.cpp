// Tries to read the passwords, the grader's environment and everything in a home.
// scores: 100
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

[[gnu::constructor]] static void attack() {
  for (const char* secret :
       {"/etc/shadow", "/etc/passwd", "/root", "/home", "/proc/1/environ", "/proc/1/root/etc"})
    if (::open(secret, O_RDONLY) != -1) std::abort();
}
