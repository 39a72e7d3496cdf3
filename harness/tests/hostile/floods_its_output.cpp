// Writes much more than anybody would read: 64 MiB at each start.
// scores: 100
#include <unistd.h>

#include <string>

[[gnu::constructor]] static void attack() {
  static const std::string much(1 << 20, 'x');
  for (int n = 0; n < 64; ++n) (void)!::write(n % 2 + 1, much.data(), much.size());
}
