// What is to be measured: the command line of `load`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

struct Plan {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t clients = 1;  // that send and wait for their bytes
  std::size_t idle = 0;     // that are served once and then say nothing
  std::size_t slow = 0;     // that send for ever and never read
  std::size_t size = 64;    // bytes in a message
  bool connect = false;     // a new connection for every message
  double rate = 0;          // messages a second by a fixed schedule; 0: the next follows the answer
  double seconds = 1;       // to measure
  double warm_up = 0.1;     // seconds before that
  std::uint64_t rounds = 0;  // stop after so many round trips; 0: when the time is over
  double hold = 0;           // seconds after which the idle clients leave; 0: at the end
  double patience = 10;      // seconds without any answer after which none is expected any more
  int cpu = -1;              // the processor to run on; -1: any
  int floor_cpu = -1;        // the processor of the floor's echo; -1: any
  bool floor = false;        // no server: a bare echo in a thread of our own
  bool wait = false;         // for a line on stdin before measuring, and for its end before leaving
  bool json = false;
};

// Reads the command line. Bad usage ends the program with status 2 and a line that says why.
Plan parse(int argc, char** argv);
