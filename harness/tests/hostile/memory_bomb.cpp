// Tries to take all memory. Here at most 4 GiB, most of it untouched.
// scores: 0
// says: SIGABRT
#include <cstdlib>
#include <new>

[[gnu::constructor]] static void attack() {
  for (int n = 0; n < 64; ++n) {
    char* const more = new (std::nothrow) char[64 << 20];
    if (more == nullptr) std::abort();
    more[0] = 1;
  }
}
