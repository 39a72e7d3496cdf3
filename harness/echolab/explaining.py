"""The failed checks of a grading once more, with a witness: only to explain, never to judge.

The verdicts are there before this begins, and none of them is touched: a check gets a line, perhaps a
more exact cause, and what the server did until it failed. Whatever goes wrong here costs that, no more.
"""

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from echolab import build, procfs, timeline
from echolab.client import Act
from echolab.course import ROOT, Lesson, Step
from echolab.diagnosis import rules, stopping, threads
from echolab.diagnosis.finding import Finding
from echolab.diagnosis.scene import Scene
from echolab.report import CheckResult, Where
from echolab.server import Server
from echolab.verdict import Failed, GraderTrouble
from echolab.witness import Event, Kind, Places, Record, Unavailable, Witness, obstacle, worth_a_look

SWITCH = "ECHOLAB_WITNESS_OFF"  # in the environment: set, and nothing is explained
_MOST_EVENTS = 2000  # that are kept of one check: the last ones
_LONGEST_NS = 10_000_000_000  # before the failure
_QUESTION = signal.SIGRTMAX  # harness/witness/signals.cpp answers it with a sample
_QUESTIONS = 5  # to each thread that runs on

_libc = ctypes.CDLL(None, use_errno=True)


class Explanation:
    """A pytest plugin beside a Grading of its own, which runs the checks in `failed` (by node id)
    again; their results are completed in place.

    `sources` are the student's files; none: every file that is no part of the course or the system.
    """

    def __init__(
        self, lesson: Lesson, sources: tuple[Path, ...], program: str, failed: dict[str, CheckResult]
    ) -> None:
        self._lesson, self._sources, self.failed = lesson, sources, failed
        self._given = _given(lesson)
        self._servers: list[tuple[Server, Witness]] = []
        self._obstructed = ""  # why the last server has no witness
        self.why_not = self._obstacle(program)
        if self.why_not:
            self._give_up(self.why_not)

    def _obstacle(self, program: str) -> str | None:
        if SWITCH in os.environ:
            return "the witness is turned off"
        if why := obstacle(program):
            return why
        try:
            build.build(build.WITNESS)
            Witness(build.WITNESS).close()
        except (build.CompileError, GraderTrouble) as error:
            return f"the witness cannot be built: {str(error).splitlines()[0]}"
        except Unavailable as error:
            return str(error)
        return None

    def _give_up(self, why: str) -> None:
        for check in self.failed.values():
            check.unexplained = why

    def observe(
        self, start: Callable[[Witness | None], Server], program: Path | None = None
    ) -> Server:
        """A server that is started with a witness, if there can be one. `program`: the one that it
        runs, where that is not the graded one."""
        self._obstructed = program and obstacle(str(program)) or ""
        if self._obstructed:
            return start(None)
        try:
            witness = Witness(build.WITNESS)
        except Unavailable as error:
            self._obstructed = str(error)
            return start(None)
        server = start(witness)
        self._servers.append((server, witness))
        return server

    # -- pytest's hooks

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.failed]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo
    ) -> Iterator[None]:
        yield
        check = self.failed[item.nodeid]
        if call.when == "call" and not self._servers:
            check.unexplained = self._obstructed or "no server was started"
        elif call.when == "call":
            try:
                named = item.function.check.needs_source  # type: ignore[attr-defined]
                self._explain(check, call.excinfo.value if call.excinfo else None, named)
            except (OSError, ValueError, ArithmeticError, LookupError) as error:
                check.unexplained = f"the witness's account makes no sense: {error!r}"
        if call.when == "teardown":
            for _, witness in self._servers:
                witness.close()
            self._servers.clear()

    # -- one check

    def _explain(self, check: CheckResult, error: BaseException | None, line_is_known: bool) -> None:
        server, witness = self._servers[-1]
        failed = isinstance(error, Failed)
        seen = _look(server, witness, ask=failed and not line_is_known)
        for one, _ in self._servers:
            one.close()  # who spins would do so while we think
        events = worth_a_look(seen.records)
        if not events:
            check.unexplained = "the server has not taken the witness in"
            return
        check.events = _around_the_end(events)
        check.timeline = timeline.draw(events, seen.acts, zombies=seen.zombies, lost=seen.lost)
        if not failed:
            check.unexplained = "it did not fail a second time"
        if line_is_known:
            return  # a sanitizer has named it
        step = self._lesson.step(int(check.id.split(".")[1]))
        places = Places(witness.program, events, witness.base)
        from_where = {(event.pid, event.frames): event for event in events}
        all_files = {place.file for event in from_where.values() for place in places.of(event)}
        files = self._sources or tuple(sorted(filter(self._is_own, all_files)))
        scene = Scene(
            check=check.id.rpartition(".")[2],
            area=check.area,
            step_title=step.title,
            functions=step.functions,
            expected=check.expected or "",
            observed=(error.observed if isinstance(error, Failed) else check.observed) or "",
            cause_text=check.cause or "",
            events=events,
            places=places,
            own=self._is_own,
            main=seen.main if seen.main != server.pid else _first_pid(events),
            exit_code=seen.exit_code,
            samples=seen.samples,
            masked=seen.masked,
            files=files,
        )
        found = _find(scene) or _where_it_should_be(scene, step)
        if found:
            check.where = Where(self._shown(found.place.file), found.place.line)
            check.cause = found.cause or check.cause
            check.rule = found.rule

    def _shown(self, file: Path) -> str:
        root = self._lesson.root
        return str(file.relative_to(root)) if root in file.parents else str(file)

    def _is_own(self, file: Path) -> bool:
        if self._sources:
            return file in self._sources
        if not file.is_absolute() or not file.exists() or Path("/usr") in file.parents:
            return False
        return not any(folder in file.parents for folder in self._given)


@dataclass(frozen=True)
class _Seen:
    """What there is to be seen of a server only while it is there. `main` is the listening process, as it sees
    itself; `zombies` likewise, and `masked` the signals that its main thread keeps waiting."""

    exit_code: int | None
    main: int
    masked: frozenset[int]
    zombies: frozenset[int]
    acts: list[Act]
    records: list[Record]
    lost: int
    samples: list[Event]


def _look(server: Server, witness: Witness, *, ask: bool) -> _Seen:
    """With `ask`, its threads are asked where they are."""
    return _Seen(
        exit_code=server.exit_code,
        main=witness.inside(server.pid),
        masked=frozenset(n for n in (signal.SIGCHLD, signal.SIGTERM) if procfs.blocks(server.pid, n)),
        zombies=frozenset(witness.inside(pid) for pid in server.zombies()),
        acts=list(server.acts),
        records=witness.records(),
        lost=witness.lost,
        samples=_samples(server, witness) if ask else [],
    )


def _given(lesson: Lesson) -> list[Path]:
    """Where the files are that a student has not written."""
    earlier = [folder.name for folder in (ROOT / "lessons").glob("[0-9]-*") if int(folder.name[0]) < lesson.number]
    return [ROOT / "lessons" / "common", *(ROOT / kind / name for kind in ("lessons", "solutions") for name in earlier)]


def _find(scene: Scene) -> Finding | None:
    asked = (kind.ask(scene) for kind in (threads.rule, stopping.rule, rules.rule))
    return next(filter(None, asked), None)


def _where_it_should_be(scene: Scene, step: Step) -> Finding | None:
    """The function that the failed step is about."""
    place = scene.definition(step.functions[0])
    return Finding(place, None, "the_function_of_the_step") if place else None


def _first_pid(events: list[Event]) -> int:
    """The listening process by the events: who listens. It may be gone, so that /proc does not tell."""
    found = [event.pid for event in events if event.call == "listen"]
    return found[-1] if found else events[0].pid


def _around_the_end(events: list[Event]) -> tuple[Event, ...]:
    earliest = events[-1].time - _LONGEST_NS
    return tuple(event for event in events[-_MOST_EVENTS:] if event.time >= earliest)


def _samples(server: Server, witness: Witness) -> list[Event]:
    """Where each thread is now. Those that run on are asked several times; unless they make so many calls
    that no answer is kept: then these say it."""
    found: list[Event] = []
    for turn in range(_QUESTIONS):
        tasks = [t for t in server.tasks() if t.state != "Z" and procfs.catches(t.pid, _QUESTION)]
        if turn:
            tasks = [task for task in tasks if task.sleep is not procfs.Sleep.ENDLESS]
        if not tasks:
            break
        since = witness.written
        for task in tasks[:64]:
            _libc.tgkill(task.pid, task.tid, _QUESTION)
        answers: list[Event] = []

        def answered() -> bool:
            answers[:] = witness.events(since, Kind.SAMPLE)
            return len(answers) >= len(tasks[:64]) or not witness.holds(since)

        server.until(answered, quiet=True)
        found += answers
        if not witness.holds(since):
            break
    return found
