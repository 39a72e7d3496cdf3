// Tries to fill the machine with threads. Here a count bounds it too.
// scores: 0
// says: processes and threads
#include <pthread.h>
#include <unistd.h>

[[gnu::constructor]] static void attack() {
  ::alarm(20);
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ::pthread_attr_setstacksize(&small, 16384);
  const auto sleep = [](void*) -> void* { return ::pause(), nullptr; };
  for (int n = 0; n < 1500; ++n) {
    pthread_t thread;
    ::pthread_create(&thread, &small, sleep, nullptr);
  }
  ::pause();
}
