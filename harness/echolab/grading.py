"""One server, one lesson: build it, run the checks, collect a Report.

The checks are pytest functions; the plugin here gathers their verdicts, whether `lab check` runs
them or pytest itself.
"""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from echolab import build, procfs, sanitizers
from echolab.apart import Apart, processors, side_by_side
from echolab.course import ROOT, Lesson, Step
from echolab.explaining import Explanation
from echolab.isolation import Isolation
from echolab.regions import RegionError, read_regions
from echolab.report import CheckResult, Report, Status, StepResult, Where
from echolab.server import Command, Habits, Server, refuse_taken_port, slowness
from echolab.verdict import Blocked, Check, Failed, GraderTrouble

# Words that a function's name cannot spell as they are written.
_SPELT = {"sigterm": "SIGTERM", "sigchld": "SIGCHLD", "eintr": "EINTR", "mib": "MiB"}
_LONGEST_CHECK = 300  # seconds on an idle machine, where the longest real one takes 20
# The checks for which a server has to be built with a sanitizer.
NEED_SANITIZER = (
    "no_two_threads_meet_in_the_same_memory",
    "nothing_is_read_or_written_out_of_bounds",
)
CHECKS = ROOT / "harness" / "checks"


class Missing(build.CompileError):
    """There is no source to build; the text says what can be done."""


@dataclass(frozen=True)
class Target:
    """What is graded: a lesson's own server; with `command`, any program, built from `sources` if that
    is known; with `alone`, the solution with only that step's chapter taken from the lesson.

    Of a program, `sanitized` says where it is when built with "tsan" or "asan", if it can be.
    """

    lesson: Lesson
    solutions: bool = False
    command: Command | None = None
    sources: tuple[Path, ...] = ()
    sanitized: Callable[[str], Path] | None = None
    alone: Step | None = None

    @property
    def name(self) -> str:
        if self.command:
            return self.command.text
        return str(self.lesson.source(self.solutions).relative_to(self.lesson.root))

    def prepare(self) -> Command:
        """Builds what is needed and says how to start the server. Raises Missing, and what build() raises."""
        if not self.command and not self.lesson.source(self.solutions).exists():
            raise Missing(f"{self.name} is not there; harness/lab reset {self.lesson.number} puts it back")
        if gap := procfs.missing():
            raise GraderTrouble(gap)
        if self.command:
            build.build(build.WARDEN)
            if self.command.fixed_port:
                refuse_taken_port("127.0.0.1", self.command.fixed_port)
            return self.command
        self.build(build.WARDEN, self.binary)
        return self.start(self.binary)

    @property
    def binary(self) -> Path:
        """The server, where it is the course's own."""
        if self.alone:
            return build.alone(self.lesson, self.alone)
        return build.server(self.lesson, self.solutions)

    def sanitized_binary(self, name: str) -> Path | None:
        """Where the server is that is built with the sanitizer "tsan" or "asan", if it can be."""
        if self.command:
            return self.sanitized(name) if self.sanitized else None
        if self.alone:
            return build.alone(self.lesson, self.alone, name)
        return build.sanitized(self.lesson, self.solutions, name)

    def build(self, *binaries: Path) -> None:
        """Brings them up to date. Raises CompileError, GraderTrouble."""
        build.build(*binaries)

    def build_alone(self, steps: Collection[Step], sanitized: bool) -> dict[int, str]:
        """Likewise what is graded with `alone`: see build.build_alone()."""
        return build.build_alone(self.lesson, steps, sanitized)

    def start(self, binary: Path) -> Command:
        """How to start a server that was built."""
        return Command(own_command(binary, self.lesson))

    def where(self, step: Step) -> Where | None:
        found = None if self.command else self.lesson.where(step, self.solutions)
        return Where(*found) if found else None


def own_command(binary: Path, lesson: Lesson) -> tuple[str, ...]:
    """How a server of the course itself is started."""
    own = {3: ("--slots", "{slots}"), 4: ("--threads", "{threads}")}
    shared = (str(binary), "--host", "{host}", "--port", "{port}")
    return shared + own.get(lesson.number, ())


def chapter_trouble(target: Target) -> str | None:
    """What is wrong with the step markers of the graded file, in one line; None if nothing is."""
    if target.command or not target.lesson.source(target.solutions).exists():
        return None
    source = target.lesson.source(target.solutions)
    try:
        found = read_regions(source)
    except RegionError as error:
        return f"{str(error).replace(f'{target.lesson.root}/', '')}; put the marker back: by it a step is found"
    absent = [str(step.number) for step in target.lesson.steps if step.number not in found]
    if absent:
        return f"{target.name}: the #region markers of step {', '.join(absent)} are missing"
    return None


class Grading:
    """A pytest plugin: chooses the checks of a target's lesson and gathers their verdicts."""

    def __init__(
        self,
        target: Target,
        command: Command,
        only: Step | None = None,
        progress: Callable[[str], None] = lambda text: None,
        explanation: Explanation | None = None,
        failed: Callable[[Step, bool], None] = lambda step, sanitized: None,
        first: Step | None = None,
        checked: Callable[[], None] = lambda: None,
        at_once: int = 1,
    ) -> None:
        self.target, self.command = target, command
        self._explanation = explanation
        self._only, self._progress, self._failed = only, progress, failed
        self._first, self._checked = first, checked
        # Whoever has a port of its own cannot be started twice.
        self._most_at_once = 1 if command.fixed_port else at_once
        self.sanitized_steps: set[int] = set()
        self.results: dict[str, CheckResult] = {}
        self.never_listens = self.interrupted = False
        self.habits = Habits()
        # The build with sanitizers, and what came of it.
        self._building = Apart[str, None](target.build)
        self._trouble: Exception | None = None

    @staticmethod
    def check_of(item: pytest.Item) -> Check:
        return item.function.check  # type: ignore[attr-defined]

    def pytest_configure(self, config: pytest.Config) -> None:
        if not config.pluginmanager.hasplugin("terminal"):
            config.option.tbstyle = "no"  # nobody reads tracebacks, and they take long

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        wanted = f"lesson_{self.target.lesson.number}.py"
        return True if collection_path.suffix == ".py" and collection_path.name != wanted else None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        binaries = [self.target.sanitized_binary(name) for name in sanitizers.NAMES]
        if None in binaries:
            items[:] = [item for item in items if not self.check_of(item).needs_source]
        if self._only:
            items[:] = [i for i in items if self.check_of(i).step == self._only.number]
        first = self._first.number if self._first else 0
        items.sort(key=lambda item: (self.check_of(item).step != first, self.check_of(item).step))
        for item in items:
            self.results[item.nodeid] = self._blank(item)
        self.sanitized_steps = {
            self.check_of(item).step for item in items if self.check_of(item).needs_source
        }
        if self.sanitized_steps:
            # Last, so that the compiler has the time of all the others.
            items.sort(key=lambda item: self.check_of(item).needs_source)
            if not self.target.alone:  # that was built before
                self._building.start("with sanitizers", *filter(None, binaries))
                if self._most_at_once == 1:
                    self._is_built()

    def make_server(self, **options: Any) -> Server:
        """A server to be graded, not started yet."""
        options["habits"] = self.habits
        return self._make(self.command, None, options)

    def make_sanitized_server(self, sanitizer: str, **options: Any) -> Server:
        """Likewise one that was built with "tsan" or "asan"; waits until that is done."""
        binary = self.target.sanitized_binary(sanitizer)
        assert binary
        command = self._sanitized_command(binary)
        return self._make(command, binary, options)

    def _sanitized_command(self, binary: Path) -> Command:
        self._is_built()
        if isinstance(self._trouble, build.CompileError):
            raise Blocked(f"it does not compile with a sanitizer: {self._trouble}") from self._trouble
        if self._trouble:
            raise self._trouble
        built = self.target.start(binary).without_memory_limit()
        words = ("env", *sanitizers.ENVIRONMENT, *sanitizers.same_addresses(), *built.words)
        return replace(built, words=words)

    def _is_built(self, seconds: float | None = None) -> bool:
        """Waits, so many seconds at most, until the build with sanitizers has ended, if there is one."""
        for _, self._trouble in self._building.ended(seconds=seconds):
            pass
        return not self._building

    def _make(self, command: Command, program: Path | None, options: dict[str, Any]) -> Server:
        """`program`: which one it is, where it is not the command's first word."""
        if self._explanation:
            return self._explanation.observe(
                lambda witness: Server(command, build.WARDEN, witness=witness, **options), program
            )
        return Server(command, build.WARDEN, **options)

    def _blank(self, item: pytest.Item) -> CheckResult:
        check, name = self.check_of(item), item.name
        title = " ".join(_SPELT.get(word, word) for word in name.split("_"))
        title = title[0].upper() + title[1:]
        about = (item.function.__doc__ or "").strip()  # type: ignore[attr-defined]
        id = f"{self.target.lesson.number}.{check.step}.{name}"
        return CheckResult(id, title, about, check.area, check.points)

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Runs the checks side by side, in processes of their own; one after another if pytest is to."""
        if self._most_at_once == 1 or session.config.option.collectonly:
            return None
        slowness()  # is found out here, once for all of them
        to_do = list(session.items)
        # The first alone: the server may not even listen. Where that is known, nobody waits for it.
        at_once = self._at_once if self.habits.judged else 1
        with Apart[pytest.Item, _Account](partial(self._run_apart, session.items)) as running:
            while to_do or running:
                while len(running) < at_once and (item := self._next(to_do)):
                    to_do.remove(item)
                    self._progress(self.results[item.nodeid].title)
                    running.start(item, session.items.index(item), self.habits, self.never_listens, self._trouble)
                for item, account in running.ended(*[self._building] if len(running) < at_once else []):
                    self._take(item, account)
                    session.testsfailed += self.results[item.nodeid].status is not Status.PASS
                    self._checked()
                    at_once = self._at_once
        return True

    @property
    def _at_once(self) -> int:
        """How many checks run side by side. A server that spins leaves no processor to others."""
        return min(self._most_at_once, processors()) if self.habits.spins else self._most_at_once

    def _next(self, to_do: list[pytest.Item]) -> pytest.Item | None:
        """Which check begins next: after the very first those that last long, once what they need is built."""
        built = self._is_built(seconds=0)
        ready = [item for item in to_do if built or not self.check_of(item).needs_source]
        begun = self.habits.judged or len(to_do) < len(self.results)
        long = (i for i in ready if begun and (self.check_of(i).needs_source or self.check_of(i).long))
        return next(long, next(iter(ready), None))

    def _run_apart(
        self, items: list[pytest.Item], index: int, habits: Habits, never_listens: bool, trouble: Exception | None
    ) -> "_Account":
        """In a process of its own: runs one check, with what is known by now."""
        self._progress = self._failed = self._checked = lambda *_: None
        self.habits, self.never_listens, self._trouble = habits, never_listens, trouble
        self._building = Apart(self.target.build)  # the other one's is no child of this process
        item = items[index]
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        except KeyboardInterrupt:
            item.config.hook.pytest_runtest_teardown(item=item, nextitem=None)
            raise
        return self._results_of(item), self.habits, self.never_listens

    def _take(self, item: pytest.Item, account: "_Account | Exception") -> None:
        """Notes what _run_apart() has said."""
        results, step = self._results_of(item), self.target.lesson.step(self.check_of(item).step)
        if isinstance(account, Exception):
            self.judge(results[0], account, step)
        else:
            told, habits, never_listens = account
            for mine, theirs in zip(results, told, strict=True):
                vars(mine).update(vars(theirs))
            self.habits.spins |= habits.spins
            self.habits.polls |= habits.polls
            self.never_listens |= never_listens
        if results[0].status is not Status.PASS:
            self._failed(step, step.number in self.sanitized_steps)

    def _results_of(self, item: pytest.Item) -> list[CheckResult]:
        """The check's result here, and the one that the explanation completes, if there is one."""
        explained = [self._explanation.failed] if self._explanation else []
        return [results[item.nodeid] for results in (self.results, *explained)]

    def pytest_unconfigure(self) -> None:
        self._building.close()

    def pytest_keyboard_interrupt(self) -> None:
        self.interrupted = True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._progress(self.results[nodeid].title)

    def pytest_runtest_logfinish(self) -> None:
        self._checked()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo
    ) -> Iterator[None]:
        outcome = yield
        result = self.results[item.nodeid]
        result.seconds += call.duration
        if call.excinfo is None:
            if call.when == "call":
                result.status, result.observed = Status.PASS, None
            return
        error = call.excinfo.value
        if isinstance(error, KeyboardInterrupt) or result.status in (Status.FAIL, Status.ERROR):
            return
        step = self.target.lesson.step(self.check_of(item).step)
        self.judge(result, error, step)
        self._failed(step, step.number in self.sanitized_steps)
        if isinstance(error, (Failed, Blocked)):
            outcome.get_result().longrepr = f"{result.status.value}: {error}"

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """No check hangs: this ends one that waits for what nobody foresaw, as the grader's fault."""

        left = longest = round(_LONGEST_CHECK * slowness())

        def second(*_: object) -> None:  # of ours: what passes while we are stopped as well comes to one
            nonlocal left
            left -= 1
            if not left:
                raise GraderTrouble(f"the check did not end within {longest} s")

        before = signal.signal(signal.SIGALRM, second)
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    def judge(self, result: CheckResult, error: BaseException, step: Step) -> None:
        """Notes what a check has raised."""
        if isinstance(error, procfs.Hidden):
            error = Failed(
                "the server's processes can be looked at, as its user's others can",
                str(error),
                "it has made itself not dumpable (PR_SET_DUMPABLE), or has another user's rights: leave that out",
            )
        if isinstance(error, Failed):
            result.status = Status.FAIL
            result.expected, result.observed = error.expected, error.observed
            result.cause, result.where = error.cause, self.target.where(step)
            if error.line and result.where:
                result.where = Where(result.where.file, error.line)
            name = result.id.rpartition(".")[2]
            result.hint, result.docs = step.hint_for.get(name, step.hints[0]), step.docs
        elif isinstance(error, Blocked):
            result.status, result.observed = Status.BLOCKED, str(error)
        else:
            result.status = Status.ERROR
            result.observed = str(error) if isinstance(error, GraderTrouble) else repr(error)

    def report(self, seconds: float) -> Report:
        """What has been gathered so far; a check that has not run is blocked."""
        report = Report(self.target.lesson.number, self.target.lesson.title, self.target.name, seconds)
        for step in self.target.lesson.steps:
            if self._only and step != self._only:
                continue
            checks = [r for r in self.results.values() if r.id.startswith(f"{step.id}.")]
            report.steps.append(StepResult(step.id, step.title, step.points, checks))
        return report


# What a check's process tells: the results, the server's habits, whether it never listens.
_Account = tuple[list[CheckResult], Habits, bool]


class Interrupted(Exception):
    """Ctrl-C came in the middle; `report` holds what was graded until then."""

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


def grade(
    target: Target,
    only: Step | None = None,
    progress: Callable[[str], None] = lambda text: None,
    first: Step | None = None,
    so_far: Callable[[Report], None] = lambda report: None,
    *,
    explain: bool = True,
    at_once: int = 0,
) -> Report:
    """Grades `target`, or one step of it; with `explain`, failed checks are then tried once more with
    a witness, for their lines and causes. Raises GraderTrouble, Interrupted.

    `progress` is told what is being done, and `so_far` what is known after each check; `first` is
    the step that is graded before the others. So many checks run `at_once`; 0: see
    side_by_side(). With 1 nothing is built beside them: it is to keep to one processor.
    """
    start = time.perf_counter()
    at_once = at_once or side_by_side()
    try:
        command, broken = target.prepare(), None
    except Missing as error:
        command, broken = Command(()), str(error)
    except build.CompileError as error:
        command, broken = Command(()), f"{target.name} does not compile:\n{error}"
    with ExitStack() as stack:
        isolation = None
        if not target.command and not target.solutions:
            grade_alone = partial(_grade_alone, target, at_once)
            isolation = stack.enter_context(Isolation(target.lesson, target.build_alone, grade_alone, at_once))

        go_on = isolation.go_on if isolation else lambda: None

        def checked() -> None:
            so_far(plugin.report(time.perf_counter() - start))
            go_on()

        failed = isolation.expect if isolation else lambda step, sanitized: None
        plugin = Grading(target, command, only, progress, None, failed, first, checked, at_once)
        code = run_checks(plugin, ["--collect-only"] if broken else [])
        report = plugin.report(time.perf_counter() - start)
        if trouble := chapter_trouble(target):
            report.notes.append(trouble)
        if broken:
            report.broken = broken
            report.notes.append(broken)
            for check in report.checks:
                check.status = Status.BLOCKED
                check.observed = " ".join(broken.splitlines()[:2])
        elif code == pytest.ExitCode.INTERRUPTED and plugin.interrupted:
            raise Interrupted(report)
        elif code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not report.checks:
            raise GraderTrouble(f"pytest could not run the checks of lesson {report.lesson} ({code!r})")
        elif explain and not _explained(plugin, progress, at_once, go_on):
            raise Interrupted(report)
        if isolation:
            try:
                isolation.isolate(report, progress, plugin.sanitized_steps)
            except KeyboardInterrupt:
                raise Interrupted(report) from None
        report.seconds = time.perf_counter() - start
    return report


def _explained(
    graded: Grading, progress: Callable[[str], None], at_once: int, checked: Callable[[], None]
) -> bool:
    """Completes the failed checks with what a witness says. False if Ctrl-C came meanwhile."""
    failed = {id: result for id, result in graded.results.items() if result.status is Status.FAIL}
    if not failed:
        return True
    target = graded.target
    own = (target.lesson.source(target.solutions),)
    sources = target.sources if target.command else own
    explanation = Explanation(target.lesson, sources, graded.command.words[0], failed)
    if explanation.why_not:
        return True
    again = Grading(target, graded.command, None, progress, explanation, checked=checked, at_once=at_once)
    again.habits = replace(graded.habits, judged=True)
    run_checks(again, [], explanation)
    return not again.interrupted


def _grade_alone(whole: Target, at_once: int, lesson: Lesson, step: Step) -> list[CheckResult]:
    """Grades the solution with only this chapter taken from the lesson; it has to be built."""
    target = replace(whole, alone=step)
    plugin = Grading(target, target.start(target.binary), step, at_once=at_once)
    code = run_checks(plugin, [])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GraderTrouble(f"pytest could not run the checks of step {step.id} ({code!r})")
    results = list(plugin.results.values())
    if plugin.never_listens:
        # All other chapters are finished, so this is no reason not to try; it is what came of it.
        for result in results:
            if result.status is Status.BLOCKED:
                failure = Failed(
                    "the finished server listens, with your chapter in it",
                    "it does not, or it has ended",
                    "everything else in it is the solution's: it is this chapter that keeps it from serving",
                )
                plugin.judge(result, failure, step)
    return results


def run_checks(plugin: Grading, extra: list[str], *others: object) -> int:
    """Runs the checks that `plugin` chooses, with `others` as further plugins; pytest's exit code."""
    unneeded = "cacheprovider terminal faulthandler logging doctest unittest nose junitxml debugging"
    arguments = [word for name in unneeded.split() for word in ("-p", f"no:{name}")]
    arguments += ["--assert=plain", "--capture=no", "-c", str(CHECKS / "pytest.ini"), *extra]
    with _environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS=""):
        return pytest.main([*arguments, str(CHECKS)], plugins=[plugin, *others])


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
