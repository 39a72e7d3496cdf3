// What a failed accept() means for a server that wants to stay. Given code.
#pragma once

// True if the server should call accept() again after it failed with the errno `error`; false, with
// a line on stderr, if that cannot succeed: the listener is unusable (EBADF, EINVAL, ENOTSOCK, …), or
// this is no error of accept() at all. EINTR is none of these: nothing has failed (lesson 1, step 2).
//
// Most failures belong to one client that gave up early (ECONNABORTED) or to its network (man 2
// accept, "Error handling"): ask again at once. When descriptors or memory ran out (EMFILE, ENFILE,
// ENOBUFS, ENOMEM) the client still waits in the queue, so asking again at once would fail for ever
// and burn a core: this says so on stderr and waits a tenth of a second first.
bool survive_accept_failure(int error);
