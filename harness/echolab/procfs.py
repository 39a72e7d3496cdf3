"""What the kernel says about processes, from outside them: /proc (man 5 proc).

psutil reads what it can; here is only what it has no call for: which system call a thread sleeps in
and how often it has run; and a process's children without a walk through all of /proc.
"""

import os
import platform
import resource
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

# System call numbers of the calls that block (linux/arch/*/…/syscall.tbl), by machine.
_CALLS = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 19: "readv", 20: "writev", 23: "select", 34: "pause",
        35: "nanosleep", 40: "sendfile", 43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg",
        47: "recvmsg", 56: "clone", 57: "fork", 58: "vfork", 61: "wait4", 128: "rt_sigtimedwait", 130: "rt_sigsuspend", 202: "futex",
        230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll",
        275: "splice", 281: "epoll_pwait", 288: "accept4",
        435: "clone3", 441: "epoll_pwait2",
    },
    "aarch64": {
        22: "epoll_pwait", 63: "read", 64: "write", 65: "readv", 66: "writev", 71: "sendfile",
        72: "pselect6", 73: "ppoll", 76: "splice", 95: "waitid", 98: "futex", 101: "nanosleep",
        115: "clock_nanosleep", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 202: "accept",
        206: "sendto", 207: "recvfrom", 211: "sendmsg", 212: "recvmsg", 220: "clone",
        242: "accept4", 260: "wait4", 435: "clone3", 441: "epoll_pwait2",
    },
}  # fmt: skip
_CALL_NAMES = _CALLS.get(platform.machine(), {})
_ON_A_DESCRIPTOR = {
    "read", "write", "readv", "writev", "accept", "accept4", "recvfrom", "sendto", "recvmsg",
    "sendmsg",
}  # fmt: skip
# Calls that the warden may be asked about, before they happen (warden/disturb.cpp).
_ASKED_ABOUT = {"accept", "accept4", "clone", "clone3", "fork", "vfork"}
# Calls without a time limit of their own.
_ENDLESS = _ON_A_DESCRIPTOR | {"pause", "wait4", "waitid", "rt_sigsuspend", "sendfile", "splice"}
# Where a time limit stands: the argument's index; a pointer (0: none) or milliseconds (-1: none).
_LIMIT_POINTER = {
    "ppoll": 2, "pselect6": 4, "select": 4, "futex": 3, "rt_sigtimedwait": 2, "epoll_pwait2": 3,
}  # fmt: skip
_LIMIT_MILLISECONDS = {"poll": 2, "epoll_wait": 3, "epoll_pwait": 3}
_FUTEX_PRIVATE_FLAG = 128  # linux/futex.h


class Sleep(Enum):
    """How a thread waits, if it does."""

    NONE = "runs"
    TIMED = "sleeps for a time"
    ENDLESS = "sleeps until an event"


@dataclass(frozen=True)
class Task:
    """One thread, as seen at one moment. `ran` counts how often it was given a processor."""

    pid: int
    tid: int
    state: str
    call: str | None
    arguments: tuple[int, ...]
    ran: int
    cpu_ns: int

    @property
    def sleep(self) -> Sleep:
        if self.state in ("T", "t"):
            return Sleep.ENDLESS
        if self.state != "S":
            return Sleep.NONE
        if self.call in _ENDLESS:
            return Sleep.ENDLESS
        if self.call in _LIMIT_POINTER:
            return Sleep.TIMED if self.arguments[_LIMIT_POINTER[self.call]] else Sleep.ENDLESS
        if self.call in _LIMIT_MILLISECONDS:
            limit = self.arguments[_LIMIT_MILLISECONDS[self.call]] & 0xFFFFFFFF
            return Sleep.ENDLESS if limit >= 0x80000000 else Sleep.TIMED
        return Sleep.TIMED

    @property
    def descriptor(self) -> int | None:
        """The descriptor that it waits for, where the call names one."""
        return self.arguments[0] if self.call in _ON_A_DESCRIPTOR else None

    @property
    def waits_for_a_thread(self) -> bool:
        """Whether it sleeps in pthread_join: the kernel wakes it through a futex that is not private."""
        return self.call == "futex" and not self.arguments[1] & _FUTEX_PRIVATE_FLAG

    def __str__(self) -> str:
        if self.state == "Z":
            return "is a zombie"
        if self.state in ("T", "t"):
            return "is stopped"
        if self.sleep is Sleep.NONE:
            return "is running"
        inside = f"{self.call}({self.descriptor})" if self.descriptor is not None else self.call
        if self.waits_for_a_thread:
            inside = "futex, as pthread_join does"
        return f"is asleep in {inside or 'a system call'}"


@dataclass(frozen=True)
class Process:
    """One process and its threads; the first is the main one."""

    pid: int
    parent: int
    tasks: tuple[Task, ...]

    @property
    def zombie(self) -> bool:
        return all(task.state in "ZX" for task in self.tasks)


def _read(path: str) -> str:
    return "".join(_parts(path))


def _line(path: str) -> str:
    """The same of a file that is one short line, which takes one call less: it is read very often."""
    return next(_parts(path), "")


def _parts(path: str) -> Iterator[str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while part := os.read(descriptor, 4096):
            yield part.decode("ascii", "replace")
    finally:
        os.close(descriptor)


def children(pid: int) -> list[int]:
    """The living and dead children that `pid` has not waited for."""
    try:
        return [child for tid in os.listdir(f"/proc/{pid}/task") for child in _children_of(pid, int(tid))]
    except OSError:
        return []


def _children_of(pid: int, tid: int) -> list[int]:
    """Those of one thread."""
    try:
        return [int(child) for child in _read(f"/proc/{pid}/task/{tid}/children").split()]
    except OSError:
        return []


def _stat(directory: str) -> list[str]:
    """The fields of `stat` behind the name, the state first (man 5 proc)."""
    return _line(f"{directory}/stat").rpartition(")")[2].split()


def _task(pid: int, tid: int) -> tuple[int, Task] | None:
    directory = f"/proc/{pid}/task/{tid}"
    try:
        # Twice the run count, around the rest: a thread that ran meanwhile is not asleep.
        before = _line(f"{directory}/schedstat").split()
        stat = _stat(directory)
        call = _call(directory) if stat[0] != "Z" else (None, ())
        asked = call[0] in _ASKED_ABOUT and "seccomp" in _line(f"{directory}/wchan")
        after = _line(f"{directory}/schedstat").split() if stat[0] == "S" else before
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Who has run meanwhile was not asleep; nor is who waits for our own warden's answer (disturb.hpp).
    state = "R" if stat[0] == "S" and (asked or before != after) else stat[0]
    name, arguments = call
    return int(stat[1]), Task(pid, tid, state, name, arguments, int(after[2]), int(after[0]))


def _call(directory: str) -> tuple[str | None, tuple[int, ...]]:
    try:
        fields = _line(f"{directory}/syscall").split()
    except PermissionError:  # a set-user-ID program
        return None, ()
    if not fields or fields[0] in ("running", "-1"):
        return None, ()
    number = int(fields[0])
    return _CALL_NAMES.get(number, f"system call {number}"), tuple(int(f, 16) for f in fields[1:7])


def process(pid: int) -> Process | None:
    """`pid` as it is now, or None if it is gone."""
    try:
        # A server may have a thousand zombies: they do nothing any more, and one look says all of it.
        if zombie := _zombie(pid, _stat(f"/proc/{pid}")):
            return zombie
        tids = sorted(map(int, os.listdir(f"/proc/{pid}/task")), key=lambda tid: (tid != pid, tid))
    except OSError:
        return None
    found = [task for tid in tids if (task := _task(pid, tid))]
    if not found:
        return None
    return Process(pid, found[0][0], tuple(task for _, task in found))


def _zombie(pid: int, stat: list[str]) -> Process | None:
    """The zombie that `stat` is of, or None if it is of a process that lives, or has a thread that does."""
    state, parent, threads = stat[0], int(stat[1]), stat[17]
    if state != "Z" or threads != "1":
        return None
    cpu_ns = sum(map(int, stat[11:13])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return Process(pid, parent, (Task(pid, pid, state, None, (), 0, cpu_ns),))


def has_ended(pid: int) -> bool:
    """Whether every thread of `pid` has ended, though its parent may not have waited for it yet."""
    try:  # asked very often, and mostly of the living: one look at the main thread is enough for these
        if _stat(f"/proc/{pid}/task/{pid}")[0] not in "ZX":
            return False
    except (FileNotFoundError, ProcessLookupError):
        return True
    found = process(pid)
    return found is None or found.zombie


def descendants(pid: int) -> Iterator[Process]:
    """Every process below `pid`, parents before their children."""
    waiting = children(pid)
    while waiting:
        below = waiting.pop(0)
        if found := process(below):
            yield found
            for task in found.tasks if not found.zombie else ():
                waiting += _children_of(below, task.tid)


class Hidden(Exception):
    """A process keeps us from looking at it: another user's, or one that is not dumpable (man 2 prctl)."""


def descriptors(pid: int) -> dict[int, str]:
    """What each open descriptor of `pid` is, as readlink(/proc/PID/fd/N) has it. Raises Hidden."""
    found = {}
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                continue
    except (FileNotFoundError, ProcessLookupError):
        pass
    except PermissionError as error:  # what is left of who ends belongs to root, and holds nothing
        if _has_memory(pid):
            raise Hidden(f"/proc/{pid}/fd of a process of the server cannot be read") from error
    return found


def _has_memory(pid: int) -> bool:
    try:
        return _line(f"/proc/{pid}/statm").split()[0] != "0"
    except (FileNotFoundError, ProcessLookupError):
        return False


# Where a relative struct timespec stands that says how long a thread sleeps.
_TIMESPEC = {"nanosleep": 0, "ppoll": 2, "pselect6": 4, "epoll_pwait2": 3}


def time_limit(task: Task) -> float | None:
    """For how many seconds `task` asked to sleep, where that can be seen; else None."""
    if task.sleep is not Sleep.TIMED:
        return None
    if task.call in _LIMIT_MILLISECONDS:
        return (task.arguments[_LIMIT_MILLISECONDS[task.call]] & 0xFFFFFFFF) / 1000
    if task.call == "clock_nanosleep" and not task.arguments[1] & 1:  # not TIMER_ABSTIME
        pointer = task.arguments[2]
    elif task.call in _TIMESPEC:
        pointer = task.arguments[_TIMESPEC[task.call]]
    elif task.call == "select":
        pointer = task.arguments[4]
    else:
        return None
    try:
        with open(f"/proc/{task.pid}/mem", "rb", buffering=0) as memory:
            memory.seek(pointer)
            seconds, fraction = struct.unpack("qq", memory.read(16))
    except (OSError, struct.error, ValueError, OverflowError):
        return None
    return seconds + fraction / (1e6 if task.call == "select" else 1e9)


def guarded_mappings(pid: int) -> int:
    """How many of the regions in /proc/PID/maps are guards: a thread's stack begins with one."""
    try:
        return sum(line.split()[1].startswith("---") for line in _read(f"/proc/{pid}/maps").splitlines())
    except (FileNotFoundError, ProcessLookupError):
        return 0


def limit_descriptors(pid: int, most: int) -> int:
    """From now on `pid` opens no descriptor above `most` - 1; returns the limit that it had.

    Root sets another user's limits as that user: a container's root may lack CAP_SYS_RESOURCE.
    """
    users = psutil.Process(pid)
    as_root = os.geteuid() == 0
    if as_root:
        os.setresgid(users.gids().real, 0, 0)
        os.setresuid(users.uids().real, 0, 0)
    try:
        before, highest = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, highest))
    finally:
        if as_root:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
    return before


def own_memory(pid: int) -> int:
    """Bytes of memory that `pid` has and no file backs."""
    try:
        _, resident, shared, *_ = map(int, _read(f"/proc/{pid}/statm").split())
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def catches(pid: int, signal: int) -> bool:
    """Whether `pid` has installed a handler for `signal`."""
    return _in_signal_set(pid, "SigCgt", signal)


def blocks(pid: int, signal: int) -> bool:
    """Whether the main thread of `pid` keeps `signal` waiting."""
    return _in_signal_set(pid, "SigBlk", signal)


def _in_signal_set(pid: int, name: str, signal: int) -> bool:
    try:
        status = _read(f"/proc/{pid}/status")
    except (FileNotFoundError, ProcessLookupError):
        return False
    found = next(line for line in status.splitlines() if line.startswith(name))
    return bool(int(found.split()[1], 16) >> (signal - 1) & 1)


def missing() -> str | None:
    """What this system does not let us see, in one sentence; None if all is there.

    Without it no verdict can be given: a container without CONFIG_SCHED_INFO, a gVisor, a hidepid.
    """
    if platform.machine() not in _CALLS:
        return f"the system call numbers of {platform.machine()} are not known to the lab"
    for name in ("syscall", "schedstat", f"task/{os.getpid()}/children"):
        if not os.access(Path("/proc/self") / name, os.R_OK):
            return f"/proc/PID/{name} cannot be read on this system"
    return None
