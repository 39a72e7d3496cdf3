"""What happened, as lanes: one for each process, thread and client, with the calls that they were in as spans.

Begins with the events of the witness and the acts of our own clients, which share a clock (CLOCK_MONOTONIC).
"""

import errno
import signal
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from echolab.client import Act
from echolab.plain import plain
from echolab.server import Server
from echolab.witness import Event, Kind

MOST_EVENTS = 100_000  # of more, the last: a failure is explained by what came before it
_FORKS = ("fork", "vfork")
_WAKES = ("pthread_cond_signal", "pthread_cond_broadcast")
_ACCEPTS = ("accept", "accept4")
_WAITS = ("wait", "waitpid", "wait3", "wait4")
_ENDS_WELL_WITH_0 = {
    *("bind", "listen", "close", "shutdown", "sigaction", "signal", "kill", "connect", "setsockopt"),
    *("sigprocmask", "pthread_sigmask", "pthread_create", "pthread_join", "pthread_detach"),
    *("pthread_cond_wait", "pthread_cond_signal", "pthread_cond_broadcast"),
}
_ABOUT_SIGNALS = {"kill", "sigaction", "signal"}
_SIGNALS = {number.value: number.name for number in signal.Signals}
_READS = {"read", "recv", "recvfrom", "recvmsg", "readv"}


class Role(Enum):
    """Whose lane it is."""

    CLIENT = "client"
    GRADER = "grader"
    PROCESS = "process"
    THREAD = "thread"


class Phase(Enum):
    """What a span of a lane is."""

    CALL = "call"
    ZOMBIE = "zombie"  # ended, and its parent has not waited for it yet


@dataclass(eq=False)
class Span:
    """From `start` to `end` (None: beyond what was seen), in nanoseconds. `outcome` is set when a call has returned."""

    phase: Phase
    label: str
    start: int
    end: int | None = None
    outcome: str = ""
    depth: int = 0  # how many calls it is nested in: a signal handler's are in the one it interrupted


@dataclass(frozen=True)
class Mark:
    """Something without a duration: a signal, a start, an end, an act of a client."""

    kind: str  # "signal", "start", "end", "act"
    label: str
    time: int


@dataclass(eq=False)
class Lane:
    """One process, thread or client. `start` and `end` in nanoseconds; None if that was not seen."""

    role: Role
    pid: int
    tid: int
    name: str = ""
    start: int | None = None
    end: int | None = None
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @property
    def first(self) -> int:
        times = [span.start for span in self.spans[:1]] + [mark.time for mark in self.marks[:1]]
        return min(times, default=0)


@dataclass(frozen=True)
class Link:
    """A fork, the start of a thread, a wait for a process that has ended, or a client that is accepted: from one lane
    to another, at `time`. `call` is the one that the source made for it, which may have returned before."""

    kind: str  # "fork", "thread", "reap", "accept"
    source: Lane
    target: Lane
    time: int
    call: Span | None = None


@dataclass
class Timeline:
    """The lanes in the order in which they are drawn. `lost` events were not recorded or are left out."""

    lanes: list[Lane] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    lost: int = 0

    @property
    def start(self) -> int:
        return min((lane.first for lane in self.lanes), default=0)

    @property
    def saw_the_server(self) -> bool:
        return any(lane.role in (Role.PROCESS, Role.THREAD) for lane in self.lanes)


def of(server: Server) -> Timeline:
    """What was seen of `server` until now."""
    witness = server.witness
    if not witness:
        return draw([], list(server.acts))
    zombies = {witness.inside(pid) for pid in server.zombies()}
    return draw(witness.events(), list(server.acts), zombies=zombies, lost=witness.lost)


def draw(
    events: Iterable[Event], acts: Sequence[Act] = (), *, zombies: Collection[int] = (), lost: int = 0
) -> Timeline:
    """The lanes of `events` and `acts`.

    `zombies` are the pids of which the kernel says so now: a process that nobody waited for may as well have a
    parent that ignores SIGCHLD. The events come from the graded process; whatever they hold is drawn, bounded.
    """
    ordered = _without_noise(sorted(events, key=lambda event: event.time))
    timeline = Timeline(lost=lost + max(0, len(ordered) - MOST_EVENTS))
    tracks = _Tracks()
    for event in ordered[-MOST_EVENTS:]:
        tracks.take(event)
    _add_zombies(tracks, zombies)
    clients = _client_lanes(acts)
    timeline.lanes = [*clients, *tracks.lanes]
    if not timeline.lost:
        tracks.links += _accepts(clients, tracks.accepted)
    timeline.links = sorted(tracks.links, key=lambda link: link.time)
    _name(tracks.lanes)
    return timeline


def _without_noise(events: list[Event]) -> list[Event]:
    """Without what a runtime does before the server's first socket, and what wakes threads that are not there."""
    births = [event.time for event in events if event.call == "socket"]
    threads = {(event.pid, event.tid) for event in events}
    several = {pid for pid, tid in threads if pid != tid}
    return [
        event
        for event in events
        if (event.call not in _WAKES or event.pid in several)
        and (event.kind is Kind.START or not births or event.time >= births[0])
    ]


class _Tracks:
    """Follows each thread through its events; some may be missing."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.links: list[Link] = []
        self.reaped: list[tuple[Event, Lane]] = []  # by whom
        self._living: dict[tuple[int, int], Lane] = {}
        self._open: dict[Lane, list[Span]] = {}
        self._forked: dict[int, tuple[Lane, Span]] = {}  # by the child's pid, until the child is seen
        self._orphans: dict[int, Lane] = {}  # seen before its fork has returned in the parent
        self._creators: dict[int, deque[tuple[Lane, Span]]] = {}  # by pid: of threads not seen yet
        self._statuses: dict[int, int] = {}  # by pid: that exit was called with
        self.accepted: list[tuple[Lane, int]] = []

    def take(self, event: Event) -> None:
        if event.kind is Kind.START:
            self._start(event)
        elif event.kind is Kind.END:
            self._end(event)
        elif event.kind is Kind.SIGNAL:
            self._lane(event).marks.append(Mark("signal", _word(event.call), event.time))
        elif event.kind is Kind.ENTER:
            self._enter(event)
        elif event.kind is Kind.EXIT:
            self._exit(event)

    def _lane(self, event: Event) -> Lane:
        key = (event.pid, event.tid)
        if key not in self._living:
            role = Role.PROCESS if event.pid == event.tid else Role.THREAD
            lane = self._living[key] = Lane(role, event.pid, event.tid)
            self.lanes.append(lane)
            self._open[lane] = []
            if role is Role.PROCESS:
                self._find_parent(lane, event.time)
            else:
                self._find_creator(lane, event.time)
        return self._living[key]

    def _find_parent(self, lane: Lane, time: int) -> None:
        if lane.pid in self._forked:
            parent, fork = self._forked.pop(lane.pid)
            self.links.append(Link("fork", parent, lane, time, fork))
        else:
            self._orphans[lane.pid] = lane

    def _find_creator(self, lane: Lane, time: int) -> None:
        if creators := self._creators.get(lane.pid):
            creator, call = creators.popleft()
            self.links.append(Link("thread", creator, lane, time, call))

    def _start(self, event: Event) -> None:
        if known := self._living.get((event.pid, event.tid)):
            self._close(known, 0, event.time)
            return  # another program in the same process (man 2 execve)
        lane = self._lane(event)
        lane.start = event.time
        lane.marks.append(Mark("start", "starts", event.time))

    def _end(self, event: Event) -> None:
        own = self._lane(event)
        ending = [own]
        if event.call == "process":
            ending = [lane for key, lane in self._living.items() if key[0] == event.pid]
        for lane in ending:
            self._close(lane, 0, event.time)
            lane.end = event.time
            lane.marks.append(Mark("end", self._last_word(lane, event), event.time))
            del self._living[lane.pid, lane.tid]

    def _last_word(self, lane: Lane, event: Event) -> str:
        """How it ends. With which status is known of exit and _exit, not of a return from main: that has no caller."""
        status = self._statuses.pop(lane.pid, event.result if event.frames else None)
        return "ends" if lane.role is Role.THREAD or status is None else f"exits with {status}"

    def _enter(self, event: Event) -> None:
        if event.call == "exit":
            self._statuses[event.pid] = event.arguments[0] & 0xFF
            return  # END says it
        lane = self._lane(event)
        calls = self._open[lane]
        span = Span(Phase.CALL, _label(event), event.time, depth=len(calls))
        calls.append(span)
        lane.spans.append(span)
        if event.call == "pthread_create":
            self._creators.setdefault(event.pid, deque()).append((lane, span))

    def _exit(self, event: Event) -> None:
        lane = self._lane(event)
        calls = self._open[lane]
        begins = [span.label.partition("(")[0] == _word(event.call) for span in calls]
        if event.call in _FORKS and event.result == 0 and not any(begins):
            return  # fork's second return, in the child
        if any(begins):
            position = len(begins) - 1 - begins[::-1].index(True)
            self._close(lane, position + 1, event.time)
            span = calls.pop()
        else:
            span = Span(Phase.CALL, _label(event), event.time, depth=len(calls))
            lane.spans.append(span)
        span.end, span.outcome = event.time, _outcome(event)
        if event.call == "pthread_create" and event.result:
            self._forget_creation(event.pid)
        if event.call in _ACCEPTS and not event.error:
            self.accepted.append((lane, event.time))
        if event.result and event.result > 0:
            if event.call in _FORKS:
                self._forked_child(lane, span, event.result)
            elif event.call in _WAITS:
                self.reaped.append((event, lane))

    def _forget_creation(self, pid: int) -> None:
        """A thread could not be created, so none will be seen."""
        if creators := self._creators.get(pid):
            creators.pop()

    def _forked_child(self, parent: Lane, fork: Span, pid: int) -> None:
        child = self._orphans.pop(pid, None)
        if child and child is not parent:
            self.links.append(Link("fork", parent, child, child.first, fork))
        else:
            self._forked[pid] = (parent, fork)

    def _close(self, lane: Lane, depth: int, time: int) -> None:
        """Ends the calls from `depth` on whose return was not seen."""
        calls = self._open[lane]
        for span in calls[depth:]:
            span.end = time
        del calls[depth:]


def _add_zombies(tracks: _Tracks, zombies: Collection[int]) -> None:
    processes = [lane for lane in tracks.lanes if lane.role is Role.PROCESS]
    for wait, parent in tracks.reaped:
        pid, time = wait.result, wait.time
        found = (p for p in reversed(processes) if p.pid == pid and p.first <= time and p is not parent)
        child = next(found, None)
        if not child:
            continue
        tracks.links.append(Link("reap", child, parent, time))
        if child.end is None:  # killed: nothing in it could say so
            child.end = time
            child.marks.append(Mark("end", _killer(wait.arguments[0]), time))
            _end_calls(child, time)
        elif child.end < time:
            child.spans.append(Span(Phase.ZOMBIE, "zombie", child.end, time, "reaped"))
    reaped = {link.source for link in tracks.links if link.kind == "reap"}
    for lane in processes:
        if lane.pid in zombies and lane.end is not None and lane not in reaped:
            lane.spans.append(Span(Phase.ZOMBIE, "zombie", lane.end))


def _end_calls(lane: Lane, time: int) -> None:
    for span in lane.spans:
        if span.end is None:
            span.end = time


def _client_lanes(acts: Sequence[Act]) -> list[Lane]:
    lanes: dict[int, Lane] = {}
    for act in acts:
        if act.client not in lanes:
            role, name = (Role.CLIENT, f"client {act.client}") if act.client else (Role.GRADER, "grader")
            lanes[act.client] = Lane(role, 0, act.client, name, act.time)
        lanes[act.client].marks.append(Mark("act", act.text, act.time))
        if act.what in ("leaves", "resets"):
            lanes[act.client].end = act.time
    return [lanes[number] for number in sorted(lanes)]


def _accepts(clients: list[Lane], accepted: list[tuple[Lane, int]]) -> Iterator[Link]:
    """Who was accepted when: the kernel hands clients out in the order in which they connected (man 2 accept)."""
    connected = [lane for lane in clients if lane.role is Role.CLIENT]
    connected.sort(key=lambda lane: lane.first)
    if any(lane.tid != number for number, lane in enumerate(connected, 1)):
        return  # some are forgotten
    for client, (lane, time) in zip(connected, accepted, strict=False):
        if client.first <= time:
            yield Link("accept", client, lane, time)


def _name(lanes: list[Lane]) -> None:
    """Names that are the same in every run: the first process, and the others by their order."""
    counts = {Role.PROCESS: 0, Role.THREAD: 0}
    forks = sum(lane.role is Role.PROCESS for lane in lanes) > 1
    for lane in lanes:
        number = counts[lane.role]
        counts[lane.role] += 1
        if lane.role is Role.THREAD:
            lane.name = f"thread {number + 1}"
        elif number:
            lane.name = f"child {number}"
        else:
            lane.name = "parent" if forks else "server"


def _killer(status: int) -> str:
    """What ended a process that said nothing, by its wait status (man 2 waitpid)."""
    name = _SIGNALS.get(status & 0x7F)
    return f"killed, {name}" if name else "is gone"


def _word(text: str) -> str:
    return plain(text).replace("\n", " ")[:24]


def _label(event: Event) -> str:
    detail = "" if event.fd is None else str(event.fd)
    if event.call in _ABOUT_SIGNALS:
        detail = _SIGNALS.get(event.arguments[0], "")
    return f"{_word(event.call)}({detail})"


def _outcome(event: Event) -> str:
    """How a call ended, as strace would put it: its result, or the name of its errno."""
    call, result = event.call, event.result
    if event.error and (result is None or result < 0):
        return errno.errorcode.get(event.error, f"errno {event.error}")
    if call.startswith("pthread_") and result:
        return errno.errorcode.get(result, str(result))
    if result is None or (result == 0 and call in _ENDS_WELL_WITH_0):
        return "done"
    if result == 0 and call in _READS:
        return "0, end"
    return str(result)
