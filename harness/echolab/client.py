"""One TCP client of a server, that never waits longer than there is something to wait for."""

import fcntl
import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from echolab import diagnosis, sockets
from echolab.verdict import Outcome

if TYPE_CHECKING:
    from echolab.server import Server

_PART = 256 * 1024
_SIOCOUTQNSD = 0x894B  # linux/sockios.h: bytes that were not even transmitted yet
_END = "end of file"
_RESET = "the connection is reset instead of closed in order: closed with bytes unread, or SO_LINGER 0"
_NOBODY_READS = "nobody reads what a client sends: whoever should waits for something else"
_NOBODY_ACCEPTED = "the server accepts no client yet: see the step before"


@dataclass(frozen=True)
class Act:
    """What a client did or saw: `time` is CLOCK_MONOTONIC in nanoseconds, `client` its number from 1.

    0 is the grader itself: what it does to the server (a signal).
    """

    time: int
    client: int
    what: str
    size: int | None = None

    @property
    def text(self) -> str:
        return self.what if self.size is None else f"{self.what} {amount(self.size)}"


def amount(size: int) -> str:
    """A number of bytes, short."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= 10 * scale or (size >= scale and size % scale == 0):
            return f"{size / scale:.3g} {unit}" if size < 1000 * scale else f"{size // scale} {unit}"
    return f"{size} byte{'' if size == 1 else 's'}"


class Client:
    """A connection to `server`. Its calls return an Outcome: they end when the server has answered,
    or when it can be seen that it never will (Server.until), not at a fixed time."""

    def __init__(self, server: "Server", *, buffers: int | None = None) -> None:
        """Begins to connect. `buffers` bounds the bytes the kernel keeps for us in each direction."""
        self._server = server
        self._peer = (server.host, server.port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if buffers:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        # Each send leaves at once: "one byte at a time" is what the server is to see.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self.was_served = False
        self._ended: str | None = None
        self._number = server.next_client_number()
        self._note("connects")
        self._error = self._socket.connect_ex(self._peer)
        self._address = self._socket.getsockname()
        server.clients.append(self)
        server.watch(self._address)

    def _note(self, what: str, size: int | None = None, now: int = 0) -> None:
        self._server.acts.append(Act(now or time.monotonic_ns(), self._number, what, size))

    def connects(self) -> Outcome:
        """The kernel connects us to a listener, whether or not the server accepts us later."""
        outcome = self._server.until(self._connected, self._socket, select.POLLOUT)
        if outcome and outcome.value != "connected":
            self._server.settle()  # it may be about to end
            observed = f"connecting failed ({outcome.value}): {self._server.describe()}"
            return Outcome(False, observed, diagnosis.exit_cause(self._server.exit_code or 0))
        return outcome

    def _connected(self) -> str | None:
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return os.strerror(code)
        if not self._writable():
            return None
        # The last of the three packets may still be on its way to the listener's queue.
        end = self._server_end()
        return None if end and end.state in ("SYN_RECV", "NEW_SYN_RECV") else "connected"

    def _writable(self) -> bool:
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        return bool(poller.poll(0))

    def _server_end(self) -> sockets.Socket | None:
        return sockets.connection(self._peer, self._address)

    def server_inode(self) -> int:
        """The inode of the server's end; 0 if nobody holds it."""
        end = self._server_end()
        return end.inode if end else 0

    def is_accepted(self) -> bool:
        """Whether the server has taken this client out of its listener's queue.

        A client that it never took is reset when the listener is closed, not ended in order.
        """
        end = self._server_end()
        return end.accepted if end else self._next_byte() != "reset"

    def is_let_go(self) -> bool:
        """Whether nobody on the server's side holds this connection any more."""
        return not self.server_inode()

    def is_waited_for(self) -> bool:
        """Whether the server has read all that has reached it, and so waits for us, not for room."""
        end = self._server_end()
        return end is None or end.unread == 0

    def is_cut(self) -> bool:
        """Whether the server has ended the connection, by an end of file or a reset."""
        return self._next_byte() in ("end", "reset")

    def has_data(self) -> bool:
        """Whether something has come that was not read yet."""
        return self._next_byte() == "data"

    def everything_is_read(self) -> bool:
        """Whether the server has read all that was sent."""
        end, own = self._server_end(), sockets.connection(self._address, self._peer)
        if own and own.unsent:
            return False
        # Closing with unread bytes resets the connection; closing with none ends it in order.
        return end.accepted and end.unread == 0 if end else self._next_byte() == "end"

    def _next_byte(self) -> str:
        try:
            return "data" if self._socket.recv(1, socket.MSG_PEEK) else "end"
        except BlockingIOError:
            return "none yet"
        except OSError:
            return "reset"

    def send(self, data: bytes) -> Outcome:
        """Sends all of `data`, reading nothing."""
        _, unsent, how = self._exchange(data, 0)
        if not unsent:
            return Outcome(True)
        taken = f"only {len(data) - unsent:,} of {len(data):,} bytes were taken"
        return Outcome(False, f"{taken}: {how.observed}", how.cause)

    def send_until_stuck(self, data: bytes) -> int:
        """Sends as much of `data` as goes without reading; returns how much that was.

        Ends when all is sent or when everybody sleeps: the server's and our buffers are full.
        """
        _, unsent, _ = self._exchange(data, 0, until_quiet=True)
        return len(data) - unsent

    def read_once(self) -> bytes:
        """What has come so far, or its beginning; does not wait."""
        return self._receive(_PART) or b""

    def send_until_write_blocks(self, data: bytes, part: int = 32 * 1024) -> int:
        """Sends part after part, reading nothing, until the server sleeps and leaves one unread.

        Returns how many bytes that were.

        Then it waits for room to write, and all that was sent has reached its kernel.
        """
        for start in range(0, len(data), part):
            if not self.send(data[start : start + part]):
                return start
            if not self._server.until(self._part_is_read, quiet=True) and self._stands_still(part):
                return start + part
        return len(data)

    def _stands_still(self, least: int) -> bool:
        """Whether `least` bytes or more lie unread on the server's side, and go on to while all sleep.

        A few would be read when an acknowledgement makes the server's buffer grow.
        """
        before = self._server_end()
        if before and before.unread < least:
            return False
        return not self._server.until(lambda: self._server_end() != before, quiet=True)

    def has_finished_unread(self) -> bool:
        """Whether our end of file has reached the server's kernel behind bytes that nobody has read."""
        end = self._server_end()
        return end is not None and end.state == "CLOSE_WAIT" and end.unread > 0

    def _part_is_read(self) -> bool:
        # What comes back is acknowledged at once, so that a write that has room soon sleeps briefly.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        end = self._server_end()
        untransmitted = struct.unpack("i", fcntl.ioctl(self._socket, _SIOCOUTQNSD, bytes(4)))[0]
        return not untransmitted and (end is None or end.unread == 0)

    def gets(self, data: bytes, *, settle: bool = True) -> Outcome:
        """Exactly `data` arrives; with `settle`, nothing more is coming either."""
        return self._arrived(data, *self._exchange(b"", len(data), settle=settle))

    def is_served(self) -> Outcome:
        """Something that is sent comes back: a quick question, where exactness is not at stake."""
        return self._arrived(b"hi", *self._exchange(b"hi", 2, settle=False))

    def echoes(self, data: bytes, *, already_sent: int = 0, then_finish: bool = False) -> Outcome:
        """Sends `data` and reads at the same time; exactly `data` comes back, and nothing more.

        The first `already_sent` bytes are on their way; `then_finish` half-closes after the last.
        """
        exchanged = self._exchange(data[already_sent:], len(data), then_finish=then_finish)
        return self._arrived(data, *exchanged)

    def gets_end(self) -> Outcome:
        """The server's end of file arrives, with nothing before it."""
        got, _, how = self._exchange(b"", 1)
        if got:
            return Outcome(False, f"{len(got)} more bytes: {diagnosis.excerpt(got)}")
        if self._ended:
            return Outcome(self._ended == _END, self._ended, None if self._ended == _END else _RESET)
        return how

    def finish(self) -> None:
        """Half-closes: says that nothing more is sent, and goes on reading."""
        self._note("half-closes")
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._was_cut(error)

    def leave(self) -> None:
        """Closes the connection as an ordinary client does, and waits until the server can know."""
        self._note("leaves")
        self._socket.close()
        self._server.until(lambda: not self.is_open())

    def is_open(self) -> bool:
        """Whether the server's kernel has not heard yet that we send no more."""
        end = self._server_end()
        return end is not None and end.state in ("ESTABLISHED", "SYN_RECV", "NEW_SYN_RECV")

    def reset(self) -> None:
        """Ends the connection at once with a reset, and waits until it has reached the server."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._note("resets")
        self._socket.close()
        self._server.until(lambda: self._server_end() is None)

    def discard(self) -> None:
        """Ends the connection when the check is over, leaving no TIME_WAIT behind."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()

    def _exchange(
        self,
        data: bytes,
        want: int,
        *,
        until_quiet: bool = False,
        then_finish: bool = False,
        settle: bool = True,
    ) -> tuple[bytes, int, Outcome]:
        """Sends `data` while reading, until `want` bytes have come. Returns what came, how much was
        not sent, and how it ended: well, or with what was seen instead."""
        unsent = memoryview(data)
        got = bytearray()

        def progress() -> bool:
            nonlocal unsent
            sent = 0
            if unsent:
                sent = self._send(unsent)
                unsent = unsent[sent:]
                if then_finish and not unsent and not self._ended:
                    self.finish()
            chunk = None
            if len(got) < want or (want and not unsent):
                chunk = self._receive(_PART)
            if chunk:
                got.extend(chunk)
            return bool(sent) or chunk is not None or (not unsent and len(got) >= want)

        while unsent or len(got) < want:
            events = select.POLLIN * bool(want) | select.POLLOUT * bool(unsent)
            outcome = self._server.until(progress, self._socket, events, quiet=until_quiet)
            if self._ended:
                return bytes(got), len(unsent), Outcome(False, self._ended)
            if not outcome:
                return bytes(got), len(unsent), outcome
        if want and settle:
            # Whatever comes beyond it has come when the server sleeps again.
            self._server.settle()
            got.extend(self._receive(_PART) or b"")
        return bytes(got), 0, Outcome(True)

    def _send(self, data: memoryview) -> int:
        now = time.monotonic_ns()  # before: the server may have read it when send returns
        try:
            sent = self._socket.send(data[:_PART])
            self._note("sends", sent, now)
            return sent
        except BlockingIOError:
            return 0
        except OSError as error:
            self._was_cut(error)
            return 0

    def _receive(self, size: int) -> bytes | None:
        """What is there: None if nothing is, b"" if the connection has ended."""
        if self._ended:
            return b""
        try:
            chunk = self._socket.recv(size)
        except BlockingIOError:
            return None
        except OSError as error:
            self._was_cut(error)
            return b""
        if chunk:
            self._note("gets", len(chunk))
        else:
            self._note("gets the end")
            self._ended = _END
        return chunk

    def _was_cut(self, error: OSError) -> None:
        if not self._ended:
            self._note("is cut off")
        self._ended = self._ended or f"the connection was cut ({os.strerror(error.errno or 0)})"

    def _arrived(self, data: bytes, got: bytes, unsent: int, how: Outcome) -> Outcome:
        self.was_served, ending = self.was_served or bool(got), how.observed
        if got == data:
            return Outcome(True)
        if not self.is_accepted():
            others = [c for c in self._server.clients if c is not self]
            known = any(c.was_served or c.server_inode() for c in others)
            cause = how.cause or (None if known else _NOBODY_ACCEPTED)
            return Outcome(False, f"this client was never accepted: {ending}", cause)
        observed = diagnosis.difference(data, got)
        all_read = self.is_accepted() and self.is_waited_for()
        cause = diagnosis.echo_cause(data, got, ended=self._ended, all_read=all_read)
        if not (got or all_read or self._ended):
            observed += "; the client is accepted, and nobody reads what it sends"
            if not any(client.was_served for client in self._server.clients):
                cause = _NOBODY_READS
        cause = how.cause or cause
        if self._ended:
            self._server.settle()  # likewise
            if not (staying := self._server.stays()):
                ending, cause = f"{ending}; {staying.observed}", staying.cause or cause
        if unsent:
            observed += f"; {unsent:,} bytes could not even be sent"
        if ending:
            observed += f"; then: {ending}"
        return Outcome(False, observed, cause)
