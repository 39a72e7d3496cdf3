#include "plan.hpp"

#include <getopt.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

constexpr char kUsage[] =
    "usage: load --port N [--host A] [OPTION…]\n"
    "       load --floor [OPTION…]\n"
    "\n"
    "Sends messages to an echo server, checks every byte that comes back, and says how long it "
    "took.\n"
    "\n"
    "  --clients N     clients that send a message and wait for it to come back (1)\n"
    "  --size B        bytes in a message (64)\n"
    "  --rate R        R messages a second by a fixed schedule, whether or not answers come;\n"
    "                  without it, each client sends its next message when its last is back\n"
    "  --connect       a new connection for every message\n"
    "  --idle N        N more clients that are served once and then stay, and say nothing\n"
    "  --hold S        the idle clients leave S seconds after the measuring has begun\n"
    "  --slow N        N more clients that send for ever and never read\n"
    "  --seconds S     how long to measure (1)\n"
    "  --warm-up S     how long to run before that (0.1)\n"
    "  --rounds N      stop after N round trips\n"
    "  --patience S    give up when no answer has come for S seconds (10)\n"
    "  --floor         no server, but a thread that does nothing but read and write: the least "
    "that\n"
    "                  a round trip costs on this machine\n"
    "  --cpu N         run on processor N\n"
    "  --floor-cpu N   the processor of the floor's echo\n"
    "  --wait          say \"ready\" when all are connected, measure after a line on stdin, and "
    "stay\n"
    "                  connected until stdin ends\n"
    "  --json          the result as JSON\n"
    "\n"
    "Exit status: 0 all was measured, 1 the server died, answered wrongly or not at all, 2 wrong\n"
    "usage, 3 we could not do our work, 130 stopped with Ctrl-C. What was measured is always "
    "printed.\n";

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(2);
}

// A whole number or, where T is one, a fraction.
template <typename T>
T number(const char* option, std::string_view text, T least, T most) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) {
    return value;
  }
  char range[64];
  std::snprintf(range, sizeof range, "%g to %g", static_cast<double>(least),
                static_cast<double>(most));
  refuse(std::string("--") + option + " takes a number from " + range + ", not '" +
         std::string(text) + "'");
}

constexpr std::size_t kMostClients = 1'000'000;

}  // namespace

Plan parse(int argc, char** argv) {
  static const option known[] = {{"host", required_argument, nullptr, 'a'},
                                 {"port", required_argument, nullptr, 'p'},
                                 {"clients", required_argument, nullptr, 'c'},
                                 {"idle", required_argument, nullptr, 'i'},
                                 {"slow", required_argument, nullptr, 's'},
                                 {"size", required_argument, nullptr, 'b'},
                                 {"connect", no_argument, nullptr, 'C'},
                                 {"rate", required_argument, nullptr, 'r'},
                                 {"seconds", required_argument, nullptr, 't'},
                                 {"warm-up", required_argument, nullptr, 'w'},
                                 {"rounds", required_argument, nullptr, 'n'},
                                 {"hold", required_argument, nullptr, 'H'},
                                 {"patience", required_argument, nullptr, 'P'},
                                 {"cpu", required_argument, nullptr, 'u'},
                                 {"floor-cpu", required_argument, nullptr, 'U'},
                                 {"floor", no_argument, nullptr, 'f'},
                                 {"wait", no_argument, nullptr, 'W'},
                                 {"json", no_argument, nullptr, 'j'},
                                 {"help", no_argument, nullptr, 'h'},
                                 {nullptr, 0, nullptr, 0}};
  Plan plan;
  int index = 0;
  for (int letter; (letter = ::getopt_long(argc, argv, "h", known, &index)) != -1;) {
    const char* name = known[index].name;
    switch (letter) {
      case 'a':
        plan.host = optarg;
        break;
      case 'p':
        plan.port = number<std::uint16_t>(name, optarg, 1, UINT16_MAX);
        break;
      case 'c':
        plan.clients = number<std::size_t>(name, optarg, 0, kMostClients);
        break;
      case 'i':
        plan.idle = number<std::size_t>(name, optarg, 0, kMostClients);
        break;
      case 's':
        plan.slow = number<std::size_t>(name, optarg, 0, kMostClients);
        break;
      case 'b':
        plan.size = number<std::size_t>(name, optarg, 1, std::size_t{1} << 40);
        break;
      case 'C':
        plan.connect = true;
        break;
      case 'r':
        plan.rate = number<double>(name, optarg, 0.001, 1e8);
        break;
      case 't':
        plan.seconds = number<double>(name, optarg, 0.001, 1e6);
        break;
      case 'w':
        plan.warm_up = number<double>(name, optarg, 0, 1e6);
        break;
      case 'n':
        plan.rounds = number<std::uint64_t>(name, optarg, 1, UINT64_MAX);
        break;
      case 'H':
        plan.hold = number<double>(name, optarg, 0.001, 1e6);
        break;
      case 'P':
        plan.patience = number<double>(name, optarg, 0.001, 1e6);
        break;
      case 'u':
        plan.cpu = number<int>(name, optarg, 0, 1023);
        break;
      case 'U':
        plan.floor_cpu = number<int>(name, optarg, 0, 1023);
        break;
      case 'f':
        plan.floor = true;
        break;
      case 'W':
        plan.wait = true;
        break;
      case 'j':
        plan.json = true;
        break;
      case 'h':
        std::fputs(kUsage, stdout);
        std::exit(0);
      default:
        std::fputs("load: see load --help\n", stderr);
        std::exit(2);
    }
  }
  if (optind < argc) refuse(std::string("what is '") + argv[optind] + "'? See load --help");
  if (plan.floor && plan.port) refuse("--floor needs no --port: it has a server of its own");
  if (!plan.floor && !plan.port) refuse("--port is missing: the port of the server to measure");
  if (plan.floor &&
      (plan.clients != 1 || plan.idle || plan.slow || plan.connect || plan.rate > 0)) {
    refuse("--floor has one client, that sends and waits");
  }
  if (plan.connect && plan.rate > 0) refuse("--connect and --rate do not go together");
  if (!plan.clients && !plan.idle && !plan.slow) refuse("there is no client at all");
  return plan;
}
