// Ends with success before main() begins, and says what main() would have said.
// scores: 0
// says: exit status 0
#include <unistd.h>

// #region step-1
[[gnu::constructor]] static void attack() {
  (void)!::write(1, "listening on 127.0.0.1:8080\n", 28);
  ::_exit(0);
}

int open_listener(const char*, std::uint16_t) { return 0; }
// #endregion step-1
