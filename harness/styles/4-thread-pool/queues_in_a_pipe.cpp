// The queue is a pipe: descriptors' numbers go in, and read waits for the next by itself. Writes and
// reads of four bytes are never torn apart (man 7 pipe).
// command: ./queues_in_a_pipe {port} {threads}
#include <thread>
#include <vector>

#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  int queue[2];
  if (::pipe(queue) != 0) return EXIT_FAILURE;
  std::vector<std::jthread> workers;
  for (int number = 0; number < std::atoi(argv[2]); ++number) {
    workers.emplace_back([out = queue[0]] {
      for (int client = -1;;) {
        if (::read(out, &client, sizeof client) == sizeof client) serve(client);
      }
    });
  }
  for (;;) {
    const int client = next_client(listener);
    while (::write(queue[1], &client, sizeof client) < 0 && errno == EINTR) {
    }
  }
}
