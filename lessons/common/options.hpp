// The command line of every lesson's server. Given code.
#pragma once

#include <cstdint>
#include <string>

struct Options {
  std::string host = "127.0.0.1";  // --host A: an IPv4 address
  std::uint16_t port = 8080;       // --port N: 0 takes any free one
  int slots = 128;                 // --slots N: lesson 3, clients served at once
  int threads = 4;                 // --threads N: lesson 4, workers in the pool
  bool verbose = false;            // --verbose: a line on stderr for each client
};

// Reads the command line. Bad usage ends the program with status 2 and a line that says why.
Options parse_options(int argc, char** argv);
