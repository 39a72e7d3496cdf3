#include "options.hpp"

#include <getopt.h>

#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

// Each server knows the options of its own lesson; the build says which lesson that is.
constexpr bool has_slots = LESSON == 3;
constexpr bool has_threads = LESSON == 4;

[[noreturn]] void usage(int status) {
  std::fprintf(status == 0 ? stdout : stderr, "usage: %s [--host A] [--port N]%s%s [--verbose]\n",
               program_invocation_short_name, has_slots ? " [--slots N]" : "",
               has_threads ? " [--threads N]" : "");
  std::exit(status);
}

int number(const char* option, std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) {
    return value;
  }
  std::fprintf(stderr, "%s: --%s takes a number from %d to %d, not '%s'\n",
               program_invocation_short_name, option, least, most, text.data());
  usage(2);
}

}  // namespace

Options parse_options(int argc, char** argv) {
  static const option known[] = {
      {"host", required_argument, nullptr, 'a'}, {"port", required_argument, nullptr, 'p'},
      {"verbose", no_argument, nullptr, 'v'},    {"help", no_argument, nullptr, 'h'},
      {"slots", required_argument, nullptr, 's'}, {"threads", required_argument, nullptr, 't'},
      {nullptr, 0, nullptr, 0}};
  Options options;
  for (int letter; (letter = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    if (letter == 'a') {
      options.host = optarg;
    } else if (letter == 'p') {
      options.port = static_cast<std::uint16_t>(number("port", optarg, 0, UINT16_MAX));
    } else if (letter == 's' && has_slots) {
      options.slots = number("slots", optarg, 1, 1 << 20);
    } else if (letter == 't' && has_threads) {
      options.threads = number("threads", optarg, 1, 4096);
    } else if (letter == 'v') {
      options.verbose = true;
    } else {
      usage(letter == 'h' ? 0 : 2);
    }
  }
  if (optind < argc) usage(2);
  return options;
}
