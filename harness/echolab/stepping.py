"""A signal at a chosen instruction, a thread that is late: what happens once in a million runs, made to
happen (man 2 ptrace)."""

import ctypes
import errno
import os
import platform
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from echolab import procfs
from echolab.sandbox import real_user_of
from echolab.verdict import Blocked

_SINGLESTEP, _CONT, _DETACH, _SYSCALL = 9, 7, 17, 24
_SEIZE, _INTERRUPT = 0x4206, 0x4207
_TRACESYSGOOD = 1
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_WALL = 0x40000000
# The number of rt_sigreturn, and the instruction that makes a system call: syscall, svc #0.
_SIGRETURN, _ENTER_KERNEL = {
    "x86_64": (15, b"\x0f\x05"),
    "aarch64": (139, b"\x01\x00\x00\xd4"),
}.get(platform.machine(), (-1, b""))

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def signal_after_interruption(pid: int, first: int, second: int, instructions: int) -> bool:
    """Interrupts the system call that `pid` sleeps in with the signal `first`, lets its handler run,
    and sends `second` when `instructions` more have been executed: between the failed call's return
    and the caller's look at errno, if the number fits.

    `first` must have a handler. False if it could not be done: the process has ended, or makes its
    next system call before so many instructions. Raises Blocked where tracing is not allowed.
    """
    with real_user_of(pid):
        _ptrace(_SEIZE, pid, _TRACESYSGOOD)
    try:
        _ptrace(_INTERRUPT, pid)
        _wait(pid)
        os.kill(pid, first)
        _go_on_until(pid, _CONT, first)
        _run_handler(pid, first)
        for _ in range(instructions):
            if _is_before_system_call(pid):
                _ptrace(_DETACH, pid)
                return False
            _ptrace(_SINGLESTEP, pid)
            _wait(pid)
        os.kill(pid, second)
        _go_on_until(pid, _CONT, second)
        _ptrace(_DETACH, pid, second)
        return True
    except ProcessLookupError:
        return False
    except _Asleep:
        _ptrace(_INTERRUPT, pid)
        os.waitpid(pid, _WALL)
        _ptrace(_DETACH, pid)
        return False


@contextmanager
def held(tids: Iterable[int]) -> Iterator[None]:
    """These sleeping threads do not run until the end of the block, whoever wakes them: as if the
    scheduler had no time for them. Then each goes on with the system call that it sleeps in.

    Raises Blocked where tracing is not allowed.
    """
    traced = []
    try:
        for tid in tids:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                with real_user_of(tid):
                    _ptrace(_SEIZE, tid)
                traced.append(tid)
                _ptrace(_INTERRUPT, tid)
                os.waitpid(tid, _WALL)
        yield
    finally:
        for tid in traced:
            with suppress(ProcessLookupError):
                _ptrace(_DETACH, tid)


class _Asleep(Exception):
    """The process sleeps in a system call, and will not stop by itself."""


def _run_handler(pid: int, number: int) -> None:
    """Delivers the signal, and stops right behind the system call that it has interrupted."""
    deliver = number
    while True:
        _ptrace(_SYSCALL, pid, deliver)
        stopped = _wait(pid)
        deliver = 0 if stopped == _SYSCALL_STOP else stopped
        if stopped == _SYSCALL_STOP and _call_number(pid) == _SIGRETURN:
            _ptrace(_SYSCALL, pid)
            _wait(pid)
            return


def _go_on_until(pid: int, how: int, wanted: int) -> None:
    deliver = 0
    while True:
        _ptrace(how, pid, deliver)
        stopped = _wait(pid)
        if stopped == wanted:
            return
        deliver = 0 if stopped in (signal.SIGTRAP, _SYSCALL_STOP) else stopped


def _is_before_system_call(pid: int) -> bool:
    """Whether the next instruction is the one that enters the kernel."""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        program_counter = int(file.read().split()[-1], 16)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(program_counter)
        return memory.read(len(_ENTER_KERNEL)) == _ENTER_KERNEL


def _call_number(pid: int) -> int:
    with open(f"/proc/{pid}/syscall", encoding="ascii") as file:
        return int(file.read().split()[0])


def _wait(pid: int) -> int:
    """The signal that `pid` has stopped with."""
    before, back_off = None, 0.0
    while True:
        stopped, status = os.waitpid(pid, _WALL | os.WNOHANG)
        if stopped:
            break
        found = procfs.process(pid)
        task = found.tasks[0] if found else None
        if task and task == before and task.state == "S" and task.sleep is procfs.Sleep.ENDLESS:
            raise _Asleep  # it has not run between two looks: in this call it stays
        before = task
        time.sleep(back_off)  # a back-off: what stops, stops at once
        back_off = min(2 * back_off + 0.0001, 0.01)
    if not os.WIFSTOPPED(status):
        raise ProcessLookupError(errno.ESRCH, "the process has ended")
    return os.WSTOPSIG(status)


def _ptrace(request: int, pid: int, data: int = 0) -> None:
    if _libc.ptrace(request, pid, None, data) != -1:
        return
    code = ctypes.get_errno()
    if code == errno.ESRCH:
        raise ProcessLookupError(code, os.strerror(code))
    raise Blocked(f"this system does not let the grader trace the server: {os.strerror(code)}")
