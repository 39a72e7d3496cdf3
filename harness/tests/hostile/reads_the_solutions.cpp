// Tries to find the checks and the solutions, by where they are and up from where it is itself.
// scores: 100
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

[[gnu::constructor]] static void attack() {
  for (const char* path : {"@ROOT@/solutions", "@ROOT@/harness/checks", "@ROOT@/lessons",
                           "@ROOT@/build/verdicts", "../solutions", "/proc/self/cwd/solutions"})
    if (::access(path, F_OK) == 0) std::abort();
}
