"""What is known when a check has failed: the server's calls in order, its threads, and the sources."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from echolab.witness import Event, Kind, Place, Places

ACCEPTS = ("accept", "accept4")
READS = ("read", "readv", "recv", "recvfrom", "recvmsg")
WRITES = ("write", "writev", "send", "sendto", "sendmsg")
WAITS = ("wait", "waitpid", "wait3", "wait4", "waitid")
SLEEPS = ("sleep", "usleep", "nanosleep", "clock_nanosleep")
POLLS = ("poll", "ppoll", "select", "pselect", "epoll_wait", "epoll_pwait")
CONDITIONS = ("pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait")
WAKES = ("pthread_cond_signal", "pthread_cond_broadcast")
BIRTHS = ("fork", "pthread_create")

_HANDLER = -1


@dataclass(frozen=True)
class Call:
    """One call: how it began and, unless it has not returned, how it ended."""

    enter: Event
    exit: Event | None = None

    @property
    def name(self) -> str:
        return self.enter.call

    @property
    def pid(self) -> int:
        return self.enter.pid

    @property
    def tid(self) -> int:
        return self.enter.tid

    @property
    def fd(self) -> int | None:
        return self.enter.fd

    @property
    def asked(self) -> int:
        """Bytes asked for, where it reads or writes."""
        return self.enter.arguments[0]

    @property
    def result(self) -> int | None:
        return self.exit.result if self.exit else None

    @property
    def error(self) -> int:
        return self.exit.error if self.exit else 0

    @property
    def time(self) -> int:
        return self.enter.time

    @property
    def end(self) -> int:
        return self.exit.time if self.exit else 1 << 63


def paired(events: Iterable[Event]) -> list[Call]:
    """The calls, in the order in which they began. A handler's calls lie within what it interrupts,
    and those of what exit runs within that. Of others whose return is missing among the events,
    though their thread has gone on, nothing is known: they are left out."""
    calls: list[Call] = []
    unknown: set[int] = set()
    opened: dict[tuple[int, int], list[int]] = {}
    for event in events:
        stack = opened.setdefault((event.pid, event.tid), [])
        if event.kind is Kind.ENTER:
            while stack and stack[-1] != _HANDLER and calls[stack[-1]].name != "exit":
                unknown.add(stack.pop())
            stack.append(len(calls))
            calls.append(Call(event))
        elif event.kind is Kind.SIGNAL:
            stack.append(_HANDLER)
        elif event.kind is Kind.RETURN:
            while stack and stack.pop() != _HANDLER:
                pass
        elif event.kind is Kind.EXIT and stack and stack[-1] != _HANDLER:
            if calls[stack[-1]].name == event.call:
                number = stack.pop()
                calls[number] = Call(calls[number].enter, event)
    return [call for number, call in enumerate(calls) if number not in unknown]


@dataclass
class Scene:
    """A failed check and what the witness saw until then.

    `main` is the listening process, as it sees itself. `exit_code` is the program's, if it has
    ended. `own` tells the student's files from all others, `files` are those that were given, or
    seen. `samples` say where each thread was when the check had failed, `masked` which signals the
    main thread kept waiting then.
    """

    check: str
    area: str
    step_title: str
    functions: tuple[str, ...]
    expected: str
    observed: str
    cause_text: str
    events: list[Event]
    places: Places
    own: Callable[[Path], bool]
    main: int
    exit_code: int | None = None
    samples: list[Event] = field(default_factory=list)
    masked: frozenset[int] = frozenset()
    files: tuple[Path, ...] = ()

    @cached_property
    def calls(self) -> list[Call]:
        return paired(self.events)

    def named(self, *names: str, pid: int | None = None) -> list[Call]:
        return [c for c in self.calls if c.name in names and pid in (None, c.pid)]

    def own_places(self, event: Event) -> list[Place]:
        """Where in the student's files the event came from, innermost first."""
        return [place for place in self.places.of(event) if self.own(place.file)]

    def inner(self, what: Call | Event | None) -> Place | None:
        """The line of the student's that called."""
        found = self._of(what)
        return found[0] if found else None

    def outer(self, what: Call | Event | None) -> Place | None:
        """The outermost line of the student's: in serve, or where a thread begins. A lambda that only
        begins it does not count."""
        found = self._of(what)
        named = [p for p in found if "{lambda" not in p.function and p.function != "_FUN"]
        return (named or found)[-1] if found else None

    def in_step(self, what: Call | Event | None) -> Place | None:
        """The line in one of the failed step's functions; else the innermost."""
        found = self._of(what)
        names = {name.split("::")[-1] for name in self.functions}
        for place in found:
            if plain_name(place.function) in names:
                return place
        return found[0] if found else None

    def caller(self, what: Call | Event | None) -> Place | None:
        """The line that called the student's function which made the call; else the innermost."""
        found = self._of(what)
        return next((p for p in found if p.function != found[0].function), found[0] if found else None)

    def common(self, one: Call, other: Call) -> Place | None:
        """The line of `one` in the innermost function that also made the call `other`."""
        functions = {place.function for place in self._of(other)}
        found = self._of(one)
        return next((p for p in found if p.function in functions), found[0] if found else None)

    def _of(self, what: Call | Event | None) -> list[Place]:
        if what is None:
            return []
        return self.own_places(what.enter if isinstance(what, Call) else what)

    @cached_property
    def blocked(self) -> list[Call]:
        """The calls that had not returned when the check failed, of threads that still live."""
        ended = {(e.pid, e.tid) for e in self.events if e.kind is Kind.END}
        gone = {e.pid for e in self.events if e.kind is Kind.END and e.call == "process"}
        return [
            call
            for call in self.calls
            if not call.exit and (call.pid, call.tid) not in ended and call.pid not in gone
        ]

    @cached_property
    def listeners(self) -> set[int]:
        return {call.fd for call in self.named("listen") if call.fd is not None}

    @cached_property
    def acceptor(self) -> tuple[int, int] | None:
        """The pid and tid of who accepts."""
        accepts = self.named(*ACCEPTS)
        return (accepts[-1].pid, accepts[-1].tid) if accepts else None

    def last(self, calls: list[Call]) -> Call | None:
        return calls[-1] if calls else None

    # -- the source itself

    def line_with(self, pattern: str, near: Place, *, before: int = 0, after: int = 0) -> Place | None:
        """The first line that matches, looking from `near` back, or on, within its function."""
        lines = source(near.file)
        numbers = range(near.line, max(0, near.line - before), -1) if before else ()
        for number in (*numbers, *range(near.line, near.line + after + 1 if after else near.line)):
            if not 1 <= number <= len(lines):
                break
            text = lines[number - 1].split("//")[0].rstrip()
            if re.search(pattern, text):
                return Place(near.file, number, near.function)
            if re.match(r"\S.*\}$", text) or number != near.line and text.startswith("}"):
                break  # a function ends here, perhaps one of one line
        return None

    def in_body(self, pattern: str, began: Place) -> Place | None:
        """The first line that matches of the function that begins at `began`."""
        for number, line in enumerate(source(began.file)[began.line - 1 :], began.line):
            text = line.split("//")[0]
            if re.search(pattern, text.partition("{")[2] if number == began.line else text):
                return Place(began.file, number, began.function)
            if line.startswith("}"):
                break
        return None

    def anywhere(self, pattern: str) -> Place | None:
        """The first line of the student's files that matches."""
        for file in self.files:
            for number, text in enumerate(source(file), 1):
                if re.search(pattern, text.split("//")[0]):
                    return Place(file, number, "")
        return None

    def function(self, place: Place) -> Place | None:
        """Where the function begins that `place` is in."""
        return self._definition([place.file], plain_name(place.function))

    def called_at(self, place: Place) -> Place | None:
        """Where the last of the student's functions begins that the line calls."""
        lines = source(place.file)[place.line - 1 : place.line]
        names = re.findall(r"(\w+)\(", lines[0].split("//")[0]) if lines else []
        return next((found for name in reversed(names) if (found := self.definition(name))), None)

    def definition(self, name: str) -> Place | None:
        """Where a function begins, in the first of the student's files that has it."""
        return self._definition(self.files, name)

    def _definition(self, files: Iterable[Path], name: str) -> Place | None:
        pattern = re.compile(rf"^[\w:&<>*\[\] ]*\b{re.escape(name)}\([^;]*$")
        one_line = re.compile(rf"^[\w:&<>*\[\] ]*\b{re.escape(name)}\(.*\}}$")
        for file in files:
            for number, line in enumerate(source(file), 1):
                text = line.split("//")[0].rstrip()
                if pattern.match(text) or one_line.match(text):
                    return Place(file, number, name)
        return None


def plain_name(function: str) -> str:
    """A function's own name: without its arguments, classes and namespaces."""
    return re.sub(r"\(.*", "", function).split("::")[-1]


def source(file: Path) -> list[str]:
    """The lines of a source file; none if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
