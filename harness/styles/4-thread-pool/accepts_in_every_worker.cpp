// No queue but the kernel's: every worker accepts on the one listener, serves, and accepts again.
// command: ./accepts_in_every_worker {port} {threads}
#include <thread>
#include <vector>

#include "serving.hpp"

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  std::vector<std::jthread> workers;
  for (int number = 0; number < std::atoi(argv[2]); ++number) {
    workers.emplace_back([listener] {
      for (;;) serve(next_client(listener));
    });
  }
}
