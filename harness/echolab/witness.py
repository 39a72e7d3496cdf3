"""What a server does, as it tells itself: the events of harness/witness/libwitness.so, preloaded into it.

It explains, and never decides: a hostile server can write into the ring whatever it likes. So nothing
here trusts what it reads: what makes no sense is left out and counted as lost, and no size, path or
pointer is taken from there.
"""

import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from pathlib import Path

from echolab.course import ROOT

# The layout of the file: harness/witness/ring.hpp.
_MAGIC = 0x31737365_6E746977
_HEADER_BYTES = 4096
_SLOT = struct.Struct("=QqiiiHBBqqq4Q")
# One slot of the ring, not looked at yet: these of its fields, and others (see _event).
Record = tuple[int, ...]
_NUMBER, _TIME, _PID, _TID, _KIND = 0, 1, 2, 3, 6
_WRITTEN_AT, _RULE_COUNT_AT, _RULES_AT = 64, 128, 192
_RULE = struct.Struct("=IIIiiiqq16x")
_MOST_RULES = 16
_FAIL, _SHORTEN = 1, 2
_SLOTS = 1 << 15
# The names of the calls, by their number.
CALLS = tuple(
    re.findall(r"^CALL\((\w+)\)", (ROOT / "harness/witness/calls.def").read_text("utf-8"), re.MULTILINE)
)
_SIGNALS = {number.value: number.name for number in signal.Signals} | {64: "SIGRTMAX"}
_WITHOUT_DESCRIPTOR = -1
# Events that are looked at: so many at the beginning, before the end of a thread, and at the end.
_FIRST, _BEFORE_AN_END, _LAST = 1000, 8, 6000


class Kind(Enum):
    """What an event tells."""

    ENTER = 1  # a call begins
    EXIT = 2  # it has returned
    SIGNAL = 3  # a signal's handler is about to run, or the process is about to end by that signal
    START = 4  # a process or thread is born
    END = 5  # it ends by itself: a process that is killed has no END
    RETURN = 6  # a signal's handler has returned; `error` is the errno it leaves, if it has changed it
    SAMPLE = 7  # where a thread was when it was asked (Witness.sample)


@dataclass(frozen=True)
class Event:
    """One thing that happened in the server.

    `time` is in nanoseconds of CLOCK_MONOTONIC, as time.monotonic_ns() gives it. `pid` and `tid` are
    those that the server itself sees: it lives in a PID namespace of its own (Witness.inside).
    `call` is the call's name; the signal's, such as "SIGCHLD"; "process" or "thread" for START and
    END. `result` is set for EXIT, and the exit status for END of a process; `error` is its errno, or
    0. `frames` are up to four return addresses in the program itself, innermost first
    (Places.of).

    `arguments` depend on the call: read, write and kin: bytes asked for, flags · listen: backlog ·
    shutdown: how · setsockopt: option, level · socket: domain, type · wait and kin: at EXIT the
    child's wait status, and the pid asked for; at ENTER the options · kill: signal, pid · sigaction,
    signal: signal, flags and above bit 32 what is installed (0 default, 1 ignore, 2 handler, -1
    nothing) · sigprocmask: how · poll, select, epoll_wait and the sleeps: number of descriptors, time
    limit in milliseconds (-1: none) · exit: status · START of a process: its parent, load address ·
    SIGNAL: si_code, si_pid.
    """

    time: int
    pid: int
    tid: int
    kind: Kind
    call: str
    fd: int | None = None
    result: int | None = None
    error: int = 0
    arguments: tuple[int, int] = (0, 0)
    frames: tuple[int, ...] = ()

    @property
    def child(self) -> int | None:
        """The process that a fork has made, or a wait has reaped."""
        waits = ("fork", "wait", "waitpid", "wait3", "wait4")
        made = self.kind is Kind.EXIT and self.call in waits and (self.result or 0) > 0
        return self.result if made else None


class Unavailable(Exception):
    """There can be no witness; the text says why."""


def obstacle(program: str) -> str | None:
    """Why nothing can be preloaded into `program`, a file or a name in PATH; None if it can."""
    path = shutil.which(program)
    try:
        with open(path or program, "rb") as file:
            head = file.read(64)
            if head.startswith(b"#!"):
                words = head[2:].split()
                return obstacle(words[0].decode("utf-8", "replace")) if words else "an empty script"
            if os.fstat(file.fileno()).st_mode & 0o6000:
                return f"{program} runs with another user's rights"
            if not head.startswith(b"\x7fELF\x02\x01"):
                return f"{program} is no program of this machine"
            (table,) = struct.unpack_from("=Q", head, 32)
            size, count = struct.unpack_from("=HH", head, 54)
            file.seek(table)
            entries = file.read(size * count)
            kinds = {struct.unpack_from("=I", entries, at)[0] for at in range(0, len(entries), size)}
            if 3 not in kinds:  # PT_INTERP
                return f"{program} is linked statically"
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data.find(b"__tsan_init") >= 0 and data.find(b"libtsan.so") < 0:
                    return f"{program} has ThreadSanitizer linked in, as clang does it; no witness can live beside that"
    except (OSError, struct.error, ValueError) as error:
        return f"{program} cannot be read: {error}"
    return None


class Witness:
    """The ring of one server that is about to be started, until close().

    Raises Unavailable if there is no place for it.
    """

    def __init__(self, library: Path, slots: int = _SLOTS) -> None:
        self._library, self._slots = library, slots
        self._rules = 0
        self.program: Path | None = None
        self.base: int | None = None
        self._folder, self._file = _make_file(_HEADER_BYTES + slots * _SLOT.size)
        self._path = self._folder.path / "ring"
        self._preloaded.symlink_to(library)
        os.pwrite(self._file, struct.pack("=QII", _MAGIC, 1, slots), 0)
        self._undecoded = 0

    @property
    def environment(self) -> dict[str, str]:
        """What has to be in the server's environment."""
        own = os.environ.get("ASAN_OPTIONS", "")
        return {
            "LD_PRELOAD": str(self._preloaded),
            "ECHOLAB_WITNESS": str(self.path),
            "ASAN_OPTIONS": f"{own}{':' if own else ''}verify_asan_link_order=0",
        }

    @property
    def _preloaded(self) -> Path:
        """Another name for the library: in LD_PRELOAD, spaces and colons part names (man 8 ld.so)."""
        return self._folder.path / "libwitness.so"

    @property
    def path(self) -> Path:
        """The file that the server has to be able to open for reading and writing when it starts."""
        return self._path

    @property
    def files(self) -> tuple[Path, Path]:
        """What a sandbox has to show the server: the library, and the folder it writes to."""
        return self._library, self._folder.path

    def has_begun(self, pid: int, program: str) -> None:
        """Notes which program `pid` runs, by what the kernel says: the ring's word is not taken. It
        was started as `program`, which counts if it has ended already."""
        try:
            self.program = Path(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            if self.program is None and (path := shutil.which(program)):
                self.program = Path(path).resolve()
        if (base := _load_base(pid, self.program)) is not None:
            self.base = base

    # -- what was seen

    @property
    def written(self) -> int:
        """How many events there have been so far, by the server's own count."""
        data = os.pread(self._file, 8, _WRITTEN_AT)
        return struct.unpack("=Q", data)[0] if len(data) == 8 else 0

    @property
    def lost(self) -> int:
        """How many of them the ring does not hold any more, or never held in a readable form."""
        return max(0, self.written - self._slots) + self._undecoded

    def events(self, since: int = 0, kind: Kind | None = None) -> list[Event]:
        """Those that the ring still holds, in the order in which they happened. With `since`, those after
        so many had been `written`; with `kind`, those of that kind only."""
        records = [r for r in self.records(since) if kind is None or r[_KIND] == kind.value]
        found = [event for record in records if (event := _event(record))]
        if not since and not kind:
            self._undecoded = max(0, min(self.written, self._slots) - len(found))
        return found

    def holds(self, since: int) -> bool:
        """Whether the ring still holds all events after so many had been `written`."""
        return self.written - since <= self._slots

    def records(self, since: int = 0) -> list[Record]:
        """Likewise, as they are in the ring: what they tell takes longer."""
        end = self.written
        begin = max(since, end - self._slots)
        # What is newer than asked for was written while we read.
        found = [record for record in self._between(begin, end) if begin < record[_NUMBER] <= end + self._slots]
        found.sort(key=itemgetter(_TIME, _NUMBER))
        return found

    def _between(self, begin: int, end: int) -> Iterator[Record]:
        """What is in the slots for the events from number `begin` to before `end`."""
        first, last = begin % self._slots, end % self._slots
        parts = [(first, last)] if first < last else [(first, self._slots), (0, last)]
        for start, stop in parts if begin < end else ():
            size = (stop - start) * _SLOT.size
            data = os.pread(self._file, size, _HEADER_BYTES + start * _SLOT.size)
            yield from _SLOT.iter_unpack(data[: len(data) // _SLOT.size * _SLOT.size])

    @staticmethod
    def inside(pid: int) -> int:
        """The pid under which the living process `pid` knows itself (NSpid in man 5 proc)."""
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return pid
        found = re.search(r"^NSpid:\s.*?(\d+)$", status, re.MULTILINE)
        return int(found[1]) if found else pid

    # -- what is to happen

    def fail(self, call: str, error: int, *, nth: int = 1, times: int = 1, fd: int = -1) -> None:
        """From the `nth` such call on (counted from now on, over all processes), `times` of them fail
        with the errno `error` and do not happen. EINTR waits until a handler without SA_RESTART is
        installed. `fd`: only calls on that descriptor."""
        self._order(call, _FAIL, error, nth, times, fd)

    def shorten(self, call: str, size: int, *, nth: int = 1, times: int = 1, fd: int = -1) -> None:
        """Likewise, such calls read or write at most `size` bytes."""
        self._order(call, _SHORTEN, size, nth, times, fd)

    def _order(self, call: str, action: int, value: int, nth: int, times: int, fd: int) -> None:
        if self._rules == _MOST_RULES:
            raise ValueError(f"more than {_MOST_RULES} rules")
        at = _RULES_AT + self._rules * _RULE.size
        rule = _RULE.pack(0, CALLS.index(call), action, value, fd, 0, nth - 1, times)
        os.pwrite(self._file, rule, at)
        os.pwrite(self._file, struct.pack("=I", 1), at)
        self._rules += 1
        os.pwrite(self._file, struct.pack("=I", self._rules), _RULE_COUNT_AT)

    def is_used_up(self) -> bool:
        """Whether every rule has come true as often as was asked for."""
        states = (
            struct.unpack("=I", os.pread(self._file, 4, _RULES_AT + n * _RULE.size))[0]
            for n in range(self._rules)
        )
        return all(state == 2 for state in states)

    def forget_rules(self) -> None:
        """From now on nothing is disturbed."""
        os.pwrite(self._file, struct.pack("=I", 0), _RULE_COUNT_AT)
        self._rules = 0

    def close(self) -> None:
        """Gives the ring up. What has been read from it stays."""
        self._folder.remove()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _Folder:
    """A private folder in `place` that lasts until remove(), or until we end, whichever way: a shell
    waits for that, to remove it. Raises OSError."""

    def __init__(self, place: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="echolab-", dir=place))
        try:
            self._keeper = subprocess.Popen(
                ["sh", "-c", 'read -r end; rm -rf -- "$1"', "sh", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # away from the terminal's Ctrl-C
            )
        except OSError:
            self.path.rmdir()
            raise

    def remove(self) -> None:
        self._keeper.communicate()


def _make_file(size: int) -> tuple[_Folder, int]:
    """A private folder and the file in it, of `size` bytes that are really there: without them, a
    server would die of SIGBUS where the file system is full. Raises Unavailable."""
    refused: list[str] = []
    for place in dict.fromkeys((Path("/dev/shm"), Path(tempfile.gettempdir()))):
        folder: _Folder | None = None
        try:
            folder = _Folder(place)
            file = os.open(folder.path / "ring", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
                if os.geteuid() == 0:
                    # Root may run the server as somebody else. The folder's name is not to be guessed.
                    folder.path.chmod(0o711)
                    os.fchmod(file, 0o666)
                return folder, file
            except OSError:
                os.close(file)
                raise
        except OSError as error:
            refused.append(f"{place}: {error.strerror}")
            if folder:
                folder.remove()
    raise Unavailable(f"no place for what the witness writes ({'; '.join(refused)})")


def _load_base(pid: int, program: Path | None) -> int | None:
    """Where the living process `pid` has `program` in memory: what its addresses in the file are to be
    moved by; None if that cannot be seen."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            lines = [line.split(maxsplit=5) for line in maps]
        with open(program or "", "rb") as file:
            (kind,) = struct.unpack_from("=H", file.read(18), 16)
    except (OSError, struct.error):
        return None
    starts = [int(line[0].partition("-")[0], 16) for line in lines if line[-1].strip() == str(program)]
    if not starts:
        return None
    return 0 if kind == 2 else min(starts)  # 2: ET_EXEC, which is loaded where it says


def _event(fields: Record) -> Event | None:
    """The event in a slot; None if it is none: half written, or overwritten with rubbish."""
    _, time, pid, tid, fd, error, kind_number, call_number, result, first, second, *frames = fields
    try:
        kind = Kind(kind_number)
    except ValueError:
        return None
    if time <= 0 or pid <= 0 or tid <= 0 or error > 4095:
        return None
    if kind in (Kind.SIGNAL, Kind.RETURN, Kind.SAMPLE):
        call = _SIGNALS.get(call_number, f"signal {call_number}")
    elif kind in (Kind.START, Kind.END):
        call = "thread" if call_number else "process"
    elif call_number < len(CALLS):
        call = CALLS[call_number]
    else:
        return None
    has_result = kind is Kind.EXIT or (kind is Kind.END and call == "process")
    return Event(
        time,
        pid,
        tid,
        kind,
        call,
        None if fd < 0 else fd,
        result if has_result else None,
        error,
        (first, second),
        tuple(frame for frame in frames if frame),
    )


def worth_a_look(records: list[Record]) -> list[Event]:
    """The events of these; of very many, the first and the last, and of those between each thread's last."""
    begin, end = min(_FIRST, len(records)), max(_FIRST, len(records) - _LAST)
    own: dict[tuple[int, int], deque[Record]] = {}
    kept: list[Record] = []
    for record in records[begin:end]:
        thread = own.setdefault((record[_PID], record[_TID]), deque(maxlen=_BEFORE_AN_END))
        thread.append(record)
        if record[_KIND] == Kind.END.value:
            kept += thread
            thread.clear()
    kept.sort(key=itemgetter(_TIME, _NUMBER))
    return [event for record in records[:begin] + kept + records[end:] if (event := _event(record))]


@dataclass(frozen=True)
class Place:
    """A line of source."""

    file: Path
    line: int
    function: str


class Places:
    """Looks up where in the source the addresses of `events` are, as the debug information of
    `program` has it: with addr2line, of the binutils that every compiler needs. `base` is where the
    program was loaded (Witness.base), if the events do not tell any more."""

    def __init__(
        self, program: Path | None, events: Iterable[Event], base: int | None = None
    ) -> None:
        self._program, self._events = program, list(events)
        births = [e for e in self._events if e.kind is Kind.START and e.call == "process"]
        self._base = {event.pid: event.arguments[1] for event in births}
        self._any_base = base if base is not None else births[-1].arguments[1] if births else 0
        self._known: dict[int, tuple[Place, ...]] = {}

    def of(self, event: Event) -> tuple[Place, ...]:
        """The places of an event's frames, innermost first, inlined functions unfolded."""
        addresses = self._addresses(event)
        if not self._known.keys() >= set(addresses):
            self._look_up({a for each in [*self._events, event] for a in self._addresses(each)} - self._known.keys())
        return tuple(place for a in addresses for place in self._known[a])

    def _addresses(self, event: Event) -> list[int]:
        base = self._base.get(event.pid, self._any_base)
        # A return address is behind its call; the call is what is wanted.
        found = (frame - base - 1 for frame in event.frames)
        return [address for address in found if 0 <= address < 1 << 63]

    def _look_up(self, addresses: Collection[int]) -> None:
        """All in one go: to read the debug information takes longer than to look in it."""
        self._known |= dict.fromkeys(addresses, ())
        if not self._program or not (tool := shutil.which("addr2line")):
            return
        words = [f"{address:#x}" for address in addresses]
        try:
            printed = subprocess.run(
                [tool, "-e", str(self._program), "-a", "-f", "-C", "-i", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=20,
                check=False,
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return
        current: list[Place] = []
        function: str | None = None
        found = [current]
        for line in printed.splitlines():
            if re.fullmatch(r"0x[0-9a-f]+", line):
                current, function = [], None
                found.append(current)
            elif function is None:
                function = line
            else:
                if place := re.match(r"(.+):(\d+)", line):
                    current.append(Place(_normal(place[1]), int(place[2]), function))
                function = None
        for address, places in zip(addresses, found[1:]):
            self._known[address] = tuple(places)


def _normal(path: str) -> Path:
    """A path of the debug information, without its detours."""
    return Path(os.path.normpath(path))
