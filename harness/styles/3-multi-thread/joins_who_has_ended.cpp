// Every thread is a std::jthread in a list, and is joined by the next turn of the loop or, at the
// latest, when its slot is needed: the list's length is the number of slots in use.
// command: ./joins_who_has_ended {port} {slots}
// except: the last threads to end keep their stacks until the next client comes.
#include <atomic>
#include <list>
#include <system_error>
#include <thread>

#include "serving.hpp"

namespace {

struct Served {
  std::atomic<bool> ended = false;
  std::jthread thread;  // the first to be destroyed: joined before `ended` goes
};

std::list<Served> served;
std::atomic<unsigned> departures = 0;

void join_who_has_ended() {
  served.remove_if([](const Served& one) { return one.ended.load(); });
}

void start(int client) {
  Served& one = served.emplace_back();
  try {
    one.thread = std::jthread([client, &one] {
      serve(client);
      one.ended = true;
      ++departures;
      departures.notify_one();
    });
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "%s: one client lost\n", error.what());
    ::close(client);
    served.pop_back();
  }
}

}  // namespace

int main(int, char** argv) {
  const int listener = listen_on(argv[1]);
  end_on_sigterm();
  const std::size_t slots = std::strtoul(argv[2], nullptr, 10);
  for (;;) {
    // Taken before we look: who leaves after our look makes wait() return at once.
    const unsigned seen = departures;
    join_who_has_ended();
    if (served.size() == slots) {
      departures.wait(seen);
      continue;
    }
    start(next_client(listener));
  }
}
