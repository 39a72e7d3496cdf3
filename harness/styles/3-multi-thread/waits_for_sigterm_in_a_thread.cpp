// Every connection is in a set; a thread in sigwait shuts them all down, and main joins everybody.
// command: ./waits_for_sigterm_in_a_thread {port} {slots}
#include <condition_variable>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

#include "serving.hpp"

namespace {

std::mutex mutex;
std::condition_variable changed;
std::set<int> clients;
bool stopping = false;

void run(int client) {
  const int own = ::dup(client);  // serve() closes it; the number in the set stays ours
  if (own >= 0) serve(own);
  const std::scoped_lock lock(mutex);
  clients.erase(client);
  ::close(client);
  changed.notify_all();
}

void stop_on(sigset_t wanted, int listener) {
  int number = 0;
  ::sigwait(&wanted, &number);
  const std::scoped_lock lock(mutex);
  stopping = true;
  for (const int client : clients) ::shutdown(client, SHUT_RDWR);
  ::shutdown(listener, SHUT_RDWR);
  changed.notify_all();
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  std::jthread stopper(stop_on, wanted, listener);
  const std::size_t slots = std::strtoul(argv[2], nullptr, 10);

  std::unique_lock lock(mutex);
  while (!stopping) {
    changed.wait(lock, [slots] { return stopping || clients.size() < slots; });
    lock.unlock();
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0 && (errno == EMFILE || errno == ENFILE)) ::poll(nullptr, 0, 100);
    lock.lock();
    if (client < 0) continue;
    clients.insert(client);
    if (stopping) ::shutdown(client, SHUT_RDWR);
    try {
      std::thread(run, client).detach();
    } catch (const std::system_error&) {
      clients.erase(client);
      ::close(client);
    }
  }
  changed.wait(lock, [] { return clients.empty(); });
}
