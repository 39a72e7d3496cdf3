// What the witness does with signals beyond those that the program handles.
#pragma once

namespace witness {

// Notes where the process crashes, and, on SIGRTMAX, where the thread is that gets it. Only where
// these signals have their default action.
void watch_signals();

}  // namespace witness
