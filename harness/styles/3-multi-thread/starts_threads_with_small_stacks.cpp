// pthreads with attributes: born detached, with 64 KiB of stack; a condition variable guards a count.
// command: ./starts_threads_with_small_stacks {port} {slots}
#include <pthread.h>

#include <cstdint>
#include <cstring>

#include "serving.hpp"

namespace {

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t one_is_free = PTHREAD_COND_INITIALIZER;
int free_slots;

void take_slot() {
  ::pthread_mutex_lock(&mutex);
  while (free_slots == 0) ::pthread_cond_wait(&one_is_free, &mutex);
  --free_slots;
  ::pthread_mutex_unlock(&mutex);
}

void give_slot_back() {
  ::pthread_mutex_lock(&mutex);
  ++free_slots;
  ::pthread_cond_signal(&one_is_free);
  ::pthread_mutex_unlock(&mutex);
}

// The pointer itself is the descriptor: there is nothing to allocate, nor to free.
void* run(void* client) {
  serve(static_cast<int>(reinterpret_cast<std::intptr_t>(client)));
  give_slot_back();
  return nullptr;
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  free_slots = std::atoi(argv[2]);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, 64 * 1024);
  for (;;) {
    take_slot();
    const int client = next_client(listener);
    void* const argument = reinterpret_cast<void*>(static_cast<std::intptr_t>(client));
    pthread_t thread;
    if (const int error = ::pthread_create(&thread, &attributes, run, argument); error != 0) {
      std::fprintf(stderr, "pthread_create: %s\n", std::strerror(error));
      ::close(client);
      give_slot_back();
    }
  }
}
