// A deque, a condition variable and std::jthread: SIGTERM is taken by sigwait in a thread of its own,
// every worker is asked to stop through its stop_token, and the vector's end joins them all.
// command: ./stops_through_a_token {port} {threads}
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <vector>

#include "serving.hpp"

namespace {

std::mutex mutex;
std::condition_variable_any somebody_came;
std::deque<int> waiting;
std::set<int> served;

void work(const std::stop_token& stop) {
  std::unique_lock lock(mutex);
  while (somebody_came.wait(lock, stop, [] { return !waiting.empty(); }) &&
         !stop.stop_requested()) {
    const int client = waiting.front();
    waiting.pop_front();
    served.insert(client);
    lock.unlock();
    echo(client);
    lock.lock();
    served.erase(client);
    ::close(client);
  }
}

}  // namespace

int main(int, char** argv) {
  sigset_t sigterm;
  ::sigemptyset(&sigterm);
  ::sigaddset(&sigterm, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &sigterm, nullptr);
  const int listener = listen_on(argv[1]);

  std::vector<std::jthread> workers;
  for (int number = 0; number < std::atoi(argv[2]); ++number) workers.emplace_back(work);
  const std::jthread stopper([&] {
    int number = 0;
    ::sigwait(&sigterm, &number);
    const std::scoped_lock lock(mutex);
    for (std::jthread& worker : workers) worker.request_stop();
    for (const int client : served) ::shutdown(client, SHUT_RDWR);
    ::shutdown(listener, SHUT_RDWR);
  });

  for (int client; (client = next_client(listener)) >= 0;) {
    const std::scoped_lock lock(mutex);
    waiting.push_back(client);
    somebody_came.notify_one();
  }
  for (std::jthread& worker : workers) worker.join();
  for (const int client : waiting) ::close(client);
}
