// Lesson 2, multi process: every client has a process of its own, and nobody waits for another.
//
// What each function promises. You write them in server.cpp, in this order. The listener and the echo
// are lesson 1's, finished and linked in. Next: lesson 3 does the same with threads of one process.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <vector>

#include "../1-single-process/server.hpp"
#include "unique_fd.hpp"

// Set by the signal handler of step 6 when the server is to end. Besides a lock-free atomic, this is
// the only kind of variable that a handler may write and the rest of the program read.
inline volatile std::sig_atomic_t stop_requested = 0;

// Step 1. Starts a process that echoes to `client` until it leaves, and then ends. The child has
// `client` and not `listener`, and SIGCHLD and SIGTERM do to it what they do by default; it never
// returns from here. The caller has `listener` and no longer `client`. Returns the child's process
// id; or -1 with errno set if there is no child, and then this client is lost.
pid_t start_child(int listener, unique_fd client);

// Step 2. Reaps every child that has ended, and waits for none that has not. Leaves errno as it was
// and is async-signal-safe: a signal handler may call it.
void reap_children();

// Step 3. Waits for a client and returns its descriptor, which the caller closes. A signal does not
// end the wait unless stop_requested is set; then, and only then, this fails with EINTR. Any failure
// returns -1 with errno set.
int next_client(int listener);

// Step 4. From now on SIGCHLD calls reap_children(); it interrupts what is blocked, and children
// that are only stopped or continued do not raise it. Returns false with errno set on failure.
bool install_sigchld_handler();

// Step 5. Starts a child for each client, until a stop is asked for. Ended children are reaped. A
// client may be lost when accept or fork fails; the server and the other clients are not. Returns
// the exit status: 0 after a stop, with no child left; 1 if the listener itself failed.
int serve(int listener, const Options& options);

// Step 6. From now on SIGTERM sets stop_requested and shuts `listener` down, so that no accept on it
// waits again. Returns false with errno set on failure.
bool install_stop_handler(int listener);

// Step 6. Ends those of `children` that still live, and returns when this process has no child left.
// Ids in `children` that are no longer its children's are left alone.
void stop_children(const std::vector<pid_t>& children);
