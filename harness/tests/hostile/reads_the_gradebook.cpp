// Tries to read, and to write, the gradebook and what the others have handed in.
// scores: 100
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

[[gnu::constructor]] static void attack() {
  for (const char* path : {"@OUT@/gradebook.sqlite", "@OUT@/gradebook.json", "@OUT@", "@CLASS@",
                           "@CLASS@/right.cpp"}) {
    if (::open(path, O_RDONLY) != -1) std::abort();
    if (::open(path, O_WRONLY | O_CREAT, 0666) != -1) std::abort();
  }
}
