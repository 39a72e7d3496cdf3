// Leader and followers: the worker that holds the mutex waits in accept; when it has a client, the
// next one leads. Main is a worker, too.
// command: ./lets_one_worker_lead {port} {threads}
#include <mutex>
#include <thread>
#include <vector>

#include "serving.hpp"

namespace {

std::mutex leadership;

void work(int listener) {
  for (;;) {
    int client;
    {
      const std::scoped_lock leader(leadership);
      client = next_client(listener);
    }
    serve(client);
  }
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  std::vector<std::jthread> others;
  for (int number = 1; number < std::atoi(argv[2]); ++number) others.emplace_back(work, listener);
  work(listener);
}
