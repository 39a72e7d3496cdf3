"""A program that cannot outlive us: started under harness/warden, watched and ended through it."""

import mmap
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from echolab.sandbox import Sandbox
from echolab.verdict import GraderTrouble

_STREAM_BYTES = 131080  # as in warden.cpp: total, head, tail
_PART_BYTES = 65536


class NotStarted(Exception):
    """The program could not be executed: `errno` says why (man 2 execve)."""

    def __init__(self, code: int) -> None:
        super().__init__(os.strerror(code))
        self.errno = code


class Warden:
    """One program and all that descends from it, until close(); in a sandbox, if one is given.
    `environment` adds to our own; in a sandbox, to next to none.

    Should they become more than `most_tasks` processes and threads, all are stopped (SIGSTOP) for
    good, and `halted` is their number. A program that we trust may have our session (`same_session`).

    Raises NotStarted if it cannot be executed, GraderTrouble if the warden itself cannot work.
    """

    def __init__(
        self,
        binary: Path,
        command: Sequence[str],
        *,
        disturb: bool = False,
        most_tasks: int = 0,
        same_session: bool = False,
        sandbox: Sandbox | None = None,
        environment: Mapping[str, str] = {},
    ) -> None:
        self._binary = binary
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        output = os.memfd_create("server-output")
        os.ftruncate(output, 2 * _STREAM_BYTES)
        self._output = mmap.mmap(output, 2 * _STREAM_BYTES, prot=mmap.PROT_READ)
        arguments = [str(binary), "--control", str(theirs.fileno()), "--output", str(output)]
        if disturb:
            arguments.append("--disturb")
        if most_tasks:
            arguments += ["--most-tasks", str(most_tasks)]
        if same_session:
            arguments.append("--same-session")
        if sandbox:
            arguments = sandbox.showing(binary).around(arguments, list(command), environment)
            environment = {}  # it is the server's, not bubblewrap's
        else:
            arguments += ["--", *command]
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                pass_fds=(theirs.fileno(), output),
                start_new_session=not same_session,
                process_group=0 if same_session else None,
            )
        except OSError as error:
            raise GraderTrouble(f"cannot start {binary}: {error.strerror}") from error
        finally:
            theirs.close()
            os.close(output)
        self.pid = 0  # of the program
        self.init = 0  # of the warden's second process: whatever the program starts lives below it
        self.confinement = ""
        self.disturbed = 0
        self.halted = 0
        self._armed = 0
        self._wait_status: int | None = None
        try:
            while not self.pid:
                self._next_message()
            # An exec that fails is reported at once after the start; one that succeeds, never.
            self._settle_exec()
        except BaseException:
            self.close()
            raise

    def _settle_exec(self) -> None:
        # Between the message "started" and exec, /proc/PID/exe is still the warden's.
        warden = os.path.realpath(self._binary)
        while self.poll() is None:
            try:
                if os.readlink(f"/proc/{self.pid}/exe") != warden:
                    return
            except (FileNotFoundError, ProcessLookupError):
                continue
            except PermissionError:
                # The warden hides from who it cannot shut in; else a set-user-ID program runs.
                if self.confinement != "subreaper":
                    return

    def _next_message(self, flags: int = 0) -> None:
        data, ancillary, _, _ = self._control.recvmsg(256, 64, flags)
        kind, _, rest = data.decode("ascii", "replace").partition(" ")
        if kind == "confined":
            self.confinement, self.init = rest, _sender(ancillary)
        elif kind == "started":
            self.pid = _sender(ancillary)
        elif kind == "ended":
            self._wait_status = int(rest)
        elif kind == "armed":
            self._armed += 1
        elif kind == "disturbed":
            self.disturbed += 1
        elif kind == "halted":
            self.halted = int(rest)
        elif kind == "exec-failed":
            raise NotStarted(int(rest))
        else:
            raise GraderTrouble(f"the warden failed: {rest or 'it ended without a word'}")

    def poll(self) -> int | None:
        """The program's exit code if it has ended (negative: the signal), else None."""
        try:
            while True:
                self._next_message(socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        return None if self._wait_status is None else os.waitstatus_to_exitcode(self._wait_status)

    def wait(self, seconds: float | None = None) -> int:
        """Waits until the program has ended; its exit code. Raises TimeoutError after `seconds`."""
        end = None if seconds is None else time.monotonic() + seconds
        while (code := self.poll()) is None:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            select.select([self._control], [], [], left)
        return code

    def printed(self, stream: int) -> str:
        """What was written to stdout (0) or stderr (1): the first and the last part, if it was much."""
        head, gap, tail = self.output(stream)
        middle = f"\n… {gap:,} bytes left out …\n".encode() if gap else b""
        return (head + middle + tail).decode("utf-8", "replace")

    def fail_next(self, call: str, error: int) -> None:
        """The next "fork" (or clone) or "accept" fails with the errno `error`; then disturbed grows.

        Needs disturb=True. Raises GraderTrouble if the order cannot be given.
        """
        wanted = self._armed + 1
        self._control.send(f"fail {call} {error}".encode())
        while self.poll() is None and self._armed < wanted:
            select.select([self._control], [], [])

    def fileno(self) -> int:
        """Becomes readable when the program has ended, or is halted."""
        return self._control.fileno()

    def output(self, stream: int) -> tuple[bytes, int, bytes]:
        """What was written to stdout (0) or stderr (1): its first part, a gap in bytes, its end."""
        start = stream * _STREAM_BYTES
        (total,) = struct.unpack_from("=Q", self._output, start)
        head = self._output[start + 8 : start + 8 + min(total, _PART_BYTES)]
        ring = self._output[start + 8 + _PART_BYTES : start + _STREAM_BYTES]
        beyond = max(0, total - _PART_BYTES)
        if beyond <= _PART_BYTES:
            return head, 0, ring[:beyond]
        turn = beyond % _PART_BYTES
        return head, beyond - _PART_BYTES, ring[turn:] + ring[:turn]

    def close(self) -> None:
        """Ends the program and all its descendants, and returns when none is left."""
        self._control.close()
        self._process.wait()


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The pid, as we see it, of who sent a message with SCM_CREDENTIALS (man 7 unix)."""
    for level, name, credentials in ancillary:
        if (level, name) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("3i", credentials)[0])
    raise GraderTrouble("the warden's messages carry no credentials")
