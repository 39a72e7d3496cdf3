#include "result.hpp"

#include <cstdarg>
#include <cstdio>

namespace {

std::string format(const char* text, ...) __attribute__((format(printf, 1, 2)));
std::string format(const char* text, ...) {
  char line[512];
  std::va_list arguments;
  va_start(arguments, text);
  std::vsnprintf(line, sizeof line, text, arguments);
  va_end(arguments);
  return line;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string histogram(const Histogram& durations) {
  return format(
      "{\"count\": %ju, \"min\": %jd, \"mean\": %.0f, \"p50\": %jd, \"p90\": %jd, \"p99\": %jd, "
      "\"p99.9\": %jd, \"max\": %jd}",
      static_cast<std::uintmax_t>(durations.count()), static_cast<std::intmax_t>(durations.least()),
      durations.mean(), static_cast<std::intmax_t>(durations.at(0.5)),
      static_cast<std::intmax_t>(durations.at(0.9)), static_cast<std::intmax_t>(durations.at(0.99)),
      static_cast<std::intmax_t>(durations.at(0.999)),
      static_cast<std::intmax_t>(durations.most()));
}

std::string duration(std::int64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  if (value < 1e6) return format("%.1f µs", value / 1e3);
  return value < 1e9 ? format("%.2f ms", value / 1e6) : format("%.2f s", value / 1e9);
}

const char* name(Ending ending) {
  switch (ending) {
    case Ending::complete:
      return "complete";
    case Ending::server_failed:
      return "server failed";
    case Ending::cannot_measure:
      return "cannot measure";
    case Ending::interrupted:
      return "interrupted";
  }
  return "";
}

}  // namespace

std::string as_json(const Plan& plan, const Result& result) {
  std::string out = "{\"ending\": " + quoted(name(result.ending)) +
                    ", \"problem\": " + (result.problem.empty() ? "null" : quoted(result.problem));
  out += format(
      ", \"clients\": %zu, \"idle\": %zu, \"slow\": %zu, \"size\": %zu, \"connect\": %s, "
      "\"rate\": %g, \"seconds\": %.6f, \"round_trips\": %ju, \"per_second\": %.1f, "
      "\"bytes\": %ju, \"cpu_seconds\": %.6f, \"user_seconds\": %.6f",
      plan.clients, plan.idle, plan.slow, plan.size, plan.connect ? "true" : "false", plan.rate,
      result.seconds, static_cast<std::uintmax_t>(result.round_trips), result.per_second(),
      static_cast<std::uintmax_t>(result.bytes), result.used.cpu, result.used.user);
  out += ", \"latency_ns\": " + histogram(result.latency);
  out += ", \"lateness_ns\": " + histogram(result.lateness);
  return out + "}\n";
}

std::string as_text(const Plan& plan, const Result& result) {
  std::string out =
      format("%ju %s in %.2f s: %.0f a second, %.1f MB/s\n",
             static_cast<std::uintmax_t>(result.round_trips),
             plan.connect ? "connections" : "round trips", result.seconds, result.per_second(),
             result.seconds > 0 ? static_cast<double>(result.bytes) / result.seconds / 1e6 : 0);
  if (!result.latency.count()) return out;
  out += "latency   p50 " + duration(result.latency.at(0.5)) + ", p99 " +
         duration(result.latency.at(0.99)) + ", p99.9 " + duration(result.latency.at(0.999)) +
         ", at most " + duration(result.latency.most()) + "\n";
  if (plan.rate > 0) {
    out += "lateness  p99 " + duration(result.lateness.at(0.99)) +
           ": how late we were ourselves (part of the latency)\n";
  }
  const double percent = result.seconds > 0 ? 100 / result.seconds : 0;
  return out +
         format(
             "processor %.0f %% of one, for us; %.0f %% in our own code, the rest in the kernel\n",
             percent * result.used.cpu, percent * result.used.user);
}
