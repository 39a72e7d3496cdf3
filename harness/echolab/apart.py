"""Calls of functions side by side, each in a process that is forked for it."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Generic, TypeVar

_PR_SET_PDEATHSIG = 1  # man 2 prctl
_context = multiprocessing.get_context("fork")
_libc = ctypes.CDLL(None)

Key = TypeVar("Key")
Value = TypeVar("Value")


class Apart(Generic[Key, Value]):
    """What is running apart: start() it, and take what it returns from ended().

    The processes end with this one, whatever ends it. A context manager: what is still running when it is
    left is told to stop, as by Ctrl-C, and waited for.
    """

    def __init__(self) -> None:
        self._running: dict[Connection, tuple[Key, multiprocessing.process.BaseProcess]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __enter__(self) -> "Apart[Key, Value]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _, process in self._running.values():
            process.terminate()
        for channel, (_, process) in self._running.items():
            process.join()
            channel.close()

    def start(self, key: Key, function: Callable[[], Value]) -> None:
        """Begins to run `function`; what it returns has to be picklable."""
        channel, theirs = _context.Pipe(duplex=False)
        process = _context.Process(target=_run, args=(function, theirs, os.getpid()))
        process.start()
        theirs.close()
        self._running[channel] = key, process

    def ended(self, others: Collection[Connection] = ()) -> Iterator[tuple[Key, Value | None]]:
        """Waits until something has ended, or something can be read from one of `others`.

        Gives what has ended, with what it has returned: None if it was killed. Raises what it has raised.
        """
        for channel in wait([*self._running, *others]):
            if channel not in self._running:
                continue
            key, process = self._running[channel]
            try:
                value = channel.recv()
            except EOFError:
                value = None
            process.join()
            process.close()
            channel.close()
            del self._running[channel]
            if isinstance(value, Exception):
                raise value
            yield key, value


def end_with(parent: int) -> None:
    """In a process that `parent` has started: ends when that does, and leaves Ctrl-C to it."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, _ignore)


def _run(function: Callable[[], Value], channel: Connection, parent: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGTERM, _stop)
    try:
        channel.send(function())
    except KeyboardInterrupt:
        pass
    except Exception as error:
        channel.send(error)


def _ignore(*_: object) -> None:
    """Unlike SIG_IGN, not inherited by what is started."""


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, _ignore)
    raise KeyboardInterrupt
