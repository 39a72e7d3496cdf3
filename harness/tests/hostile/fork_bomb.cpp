// Tries to fill the machine with processes. Here a count that all share and an alarm bound it too.
// scores: 0
// says: processes and threads
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

[[gnu::constructor]] static void attack() {
  void* const page =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& made = *static_cast<std::atomic<int>*>(page);
  while (made.fetch_add(1) < 1500) {
    if (::fork() == 0) ::alarm(20);
  }
  ::pause();
}
