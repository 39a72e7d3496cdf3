// One client that sends a message and sleeps until it is back. There is nobody else to attend to, so
// that no more than a send and a recv is needed: the generator costs as little as it can.
#pragma once

#include <functional>

#include "plan.hpp"
#include "result.hpp"
#include "unique_fd.hpp"

// Whether ping() can run this plan.
bool is_ping(const Plan& plan);

// Measures round trips on a connected socket that blocks, of which `sent` bytes have come back before.
void ping(const Plan& plan, int connection, std::uint64_t sent, Result& result);

// The same against a thread that does nothing but read and write, over a loopback TCP connection.
// The least that a round trip can cost here: whatever a server does comes on top.
void measure_floor(const Plan& plan, Result& result);
