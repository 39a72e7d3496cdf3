"""Calls of a function side by side, in processes that are forked for them."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, TypeVar

from echolab.verdict import GraderTrouble

_PR_SET_PDEATHSIG = 1  # man 2 prctl
_context = multiprocessing.get_context("fork")
_libc = ctypes.CDLL(None)

Key = TypeVar("Key")
Value = TypeVar("Value")


def processors() -> int:
    """How many of them this process may use."""
    return len(os.sched_getaffinity(0))


def side_by_side() -> int:
    """How many gradings, or checks of one, keep all of them busy: most of what each does is to wait."""
    return 2 * processors()


class Apart(Generic[Key, Value]):
    """Calls `function` apart: start() a call, and take what it returns from ended().

    There are as many processes as calls have ever run at the same time; each makes one call after another.
    They end with this one, whatever ends it. A context manager: what is still running when it is left, or
    at close(), is told to stop, as by Ctrl-C, and waited for.

    What this one has open is let go of in them: somebody may wait to see it closed.
    """

    def __init__(self, function: Callable[..., Value]) -> None:
        self._function = function
        self._processes: dict[Connection, multiprocessing.process.BaseProcess] = {}
        self._running: dict[Connection, Key] = {}

    def __len__(self) -> int:
        """How many calls are running."""
        return len(self._running)

    def __enter__(self) -> "Apart[Key, Value]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for channel in [*self._processes]:
            self._close(channel)

    def start(self, key: Key, *arguments: object) -> None:
        """Begins a call with `arguments`. They, and what is returned, have to be picklable."""
        channel = next((idle for idle in self._processes if idle not in self._running), None) or self._fork()
        self._running[channel] = key
        with suppress(BrokenPipeError):  # it was killed: ended() tells
            channel.send(arguments)

    def _fork(self) -> Connection:
        channel, theirs = _context.Pipe()
        process = _context.Process(target=_serve, args=(self._function, theirs, os.getpid()))
        process.start()
        theirs.close()
        self._processes[channel] = process
        return channel

    def ended(self, *others: "Apart[Any, Any]", seconds: float | None = None) -> Iterator[tuple[Key, Value | Exception]]:
        """Waits until a call has ended here or in one of `others`, so many `seconds` at most.

        Gives what has ended here with what it has returned, or raised: GraderTrouble if its process was
        killed.
        """
        running = [channel for apart in (self, *others) for channel in apart._running]
        for channel in wait(running, seconds) if running else ():
            if channel not in self._running:
                continue
            key = self._running.pop(channel)
            value: Value | Exception
            try:
                value = channel.recv()
            except (EOFError, ConnectionResetError):
                value = GraderTrouble("the process that did this was killed")
                self._close(channel)
            yield key, value

    def _close(self, channel: Connection) -> None:
        process = self._processes.pop(channel)
        # It ends by this too, should the signal have come where an exception is swallowed (a finalizer).
        channel.close()
        process.join()
        process.close()


def end_with(parent: int) -> None:
    """In a process that `parent` has started: ends when that does, and leaves Ctrl-C to it."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, _ignore)


def _serve(function: Callable[..., Value], channel: Connection, parent: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGTERM, _stop)
    _let_go_of_all_but(channel.fileno())
    with suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
        while signal.getsignal(signal.SIGTERM) is _stop:
            arguments = channel.recv()
            try:
                value: Value | Exception = function(*arguments)
            except Exception as error:
                value = error
            channel.send(value)


def _let_go_of_all_but(kept: int) -> None:
    """The numbers stay taken, by /dev/null: what here still believes to own one closes nothing else."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number not in (kept, null):
            os.dup2(null, number, inheritable=False)


def _ignore(*_: object) -> None:
    """Unlike SIG_IGN, not inherited by what is started."""


def _stop(*_: object) -> None:
    """Once; whoever catches it (pytest does) ends the call, and with it the process."""
    signal.signal(signal.SIGTERM, _ignore)
    raise KeyboardInterrupt
