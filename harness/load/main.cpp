// load: measures an echo server. `load --help` says what it can do; plan.hpp is that as data.
//
// Read next: ping.cpp for one client, generator.cpp for many.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>

#include "generator.hpp"
#include "ping.hpp"
#include "system.hpp"

namespace {

// Waits for a line on stdin, or its end.
void wait_for_line() {
  for (char byte = 0; byte != '\n';) {
    pollfd in{STDIN_FILENO, POLLIN, 0};
    ::ppoll(&in, 1, nullptr, &interruptible());
    if (interrupted()) throw Stopped(Ending::interrupted, "stopped");
    if (::read(STDIN_FILENO, &byte, 1) <= 0) return;
  }
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = parse(argc, argv);
  catch_interruption();
  ::signal(SIGPIPE, SIG_IGN);

  const auto result = std::make_unique<Result>();
  std::unique_ptr<Generator> generator;  // its clients stay until the result has been read
  try {
    run_on(plan.cpu);
    if (!plan.floor) {
      generator = std::make_unique<Generator>(plan);
      generator->connect();
    }
    if (plan.wait) {
      print("ready\n");
      wait_for_line();
    }
    if (generator)
      generator->measure(*result);
    else
      measure_floor(plan, *result);
  } catch (const Stopped& stopped) {
    result->ending = stopped.ending;
    result->problem = stopped.what();
  }

  print(plan.json ? as_json(plan, *result) : as_text(plan, *result));
  if (!result->problem.empty()) std::fprintf(stderr, "load: %s\n", result->problem.c_str());
  if (plan.wait && result->ending == Ending::complete) {
    try {
      wait_for_line();
    } catch (const Stopped&) {
    }
  }
  return static_cast<int>(result->ending);
}
