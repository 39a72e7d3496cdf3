// What the two ways of measuring share: time, sockets, the wish to stop, and how a run fails.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "plan.hpp"
#include "result.hpp"
#include "unique_fd.hpp"

// Ends a run before its time. The text is one line for whoever started it.
class Stopped : public std::runtime_error {
 public:
  Stopped(Ending how, const std::string& problem) : std::runtime_error(problem), ending(how) {}
  const Ending ending;
};

// Nanoseconds on CLOCK_MONOTONIC.
std::int64_t now();
std::int64_t nanoseconds(double seconds);

// What this process has used since it began, or since `since`.
Usage usage(const Usage& since = {});

// Keeps the calling thread on one processor, if it is not -1. Throws Stopped if there is none such.
void run_on(int cpu);

// From here on Ctrl-C and SIGTERM wake only who asks for it (see interruptible), and set a flag.
void catch_interruption();
bool interrupted();
// The signals to block in a wait that they are to interrupt (man 2 epoll_pwait).
const sigset_t& interruptible();

sockaddr_in address_of(const Plan& plan);

// "connection reset by peer (ECONNRESET)".
std::string reason(int error);

// What a connection that has ended without our doing says of the server.
[[noreturn]] void server_left(const Plan& plan, std::size_t client, std::uint64_t round_trips,
                              const std::string& how);

// What came back at `position` of a client's bytes is not what was sent.
[[noreturn]] void wrong_byte(std::size_t client, std::uint64_t position, char sent, char got);

[[noreturn]] void no_answer(const Plan& plan, std::size_t waiting);
