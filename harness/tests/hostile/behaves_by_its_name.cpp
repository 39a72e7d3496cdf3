// Behaves only while it is called what a graded server is called; under any other name it ends.
// scores: 100
#include <errno.h>
#include <unistd.h>

#include <cstring>

[[gnu::constructor]] static void attack() {
  if (std::strcmp(program_invocation_short_name, "server") != 0) ::_exit(0);
}
