// Lesson 1, single process: one client at a time, each served until it leaves.
//
// What each function promises. You write them in server.cpp, in this order; main(), the options and
// unique_fd are given in ../common. Next: lesson 2 gives every client a process of its own.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "options.hpp"

// Step 1. Opens a TCP socket that listens on `host` (a dotted IPv4 address) and `port` (0 lets the
// kernel choose). Returns its descriptor, which the caller closes; or -1 with errno set and nothing
// left open. The port can be used again at once after an earlier server on it has ended.
int open_listener(const char* host, std::uint16_t port);

// Step 2. Waits until a client has connected and returns its descriptor, which the caller closes.
// A signal that interrupts the wait does not end it. Any other failure returns -1 with errno set.
int accept_client(int listener);

// Step 3. Waits until something has arrived and reads it: at least 1 byte, at most `size`, without
// waiting for more. Returns how many; 0 once the client has sent its last byte and said so (end of
// file); -1 with errno set if the connection failed. A signal does not end the wait.
ssize_t read_some(int fd, char* data, std::size_t size);

// Step 4. Writes all `size` bytes, however few of them the kernel takes at a time. Returns true when
// it has taken them all; false with errno set if the connection failed (EPIPE or ECONNRESET: the
// client is gone, and no SIGPIPE is raised). A signal loses nothing.
bool write_all(int fd, const char* data, std::size_t size);

// Step 5. Sends back whatever arrives from `client`, as it arrives, until the client has sent its
// last byte or the connection fails. Returns the number of bytes echoed. Does not close `client`.
std::uint64_t echo_client(int client);

// Step 6. Serves one client after another, for ever, whatever clients do: each is closed when it
// has left, before the next is accepted. Returns the exit status if the listener itself fails.
int serve(int listener, const Options& options);
