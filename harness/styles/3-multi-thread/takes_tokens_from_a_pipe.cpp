// The free slots are bytes in a pipe: to take one is to read it, and read waits by itself.
// command: ./takes_tokens_from_a_pipe {port} {slots}
// except: a pipe holds 64 KiB, and so as many slots at most.
#include <system_error>
#include <thread>

#include "serving.hpp"

namespace {

int tokens[2];

void take_slot() {
  char token;
  while (::read(tokens[0], &token, 1) != 1) {
  }
}

void give_slot_back() {
  while (::write(tokens[1], "x", 1) != 1) {
  }
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  if (::pipe(tokens) != 0) return EXIT_FAILURE;
  for (int slot = 0; slot < std::atoi(argv[2]); ++slot) give_slot_back();
  for (;;) {
    take_slot();
    const int client = next_client(listener);
    try {
      std::thread([client] {
        serve(client);
        give_slot_back();
      }).detach();
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "%s: one client lost\n", error.what());
      ::close(client);
      give_slot_back();
    }
  }
}
