"""The grader graded: every server whose verdict is known, many times, also on a busy machine."""

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from modulefinder import ModuleFinder
from pathlib import Path

from echolab import build
from echolab.apart import end_with, processors
from echolab.course import ROOT
from echolab.explaining import SWITCH
from echolab.grading import CHECKS, grade
from echolab.known import Known, Verdict, told
from echolab.report import Report
from echolab.verdict import GraderTrouble

# What a verdict depends on, besides the server and the grader's modules.
_GRADER = (
    "harness/wa*/*.*",
    "harness/wi*/*.*",
    "lessons/common/*pp",
    "lessons/*/server.hpp",
    "lessons/*/lesson.toml",
    "solutions/*/server.cpp",
    "meson.build",
    "lessons/**/meson.build",
    "solutions/**/meson.build",
)


@dataclass
class Proof:
    """What came of all gradings of one server."""

    server: Known
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    changed: bool = False  # whether two runs failed different checks
    seconds: float = 0.0  # of all runs together
    accounts: list[str] = field(default_factory=list)  # of what was seen where it was not right

    @property
    def is_right(self) -> bool:
        return set(self.verdicts) <= {Verdict.RIGHT}


@dataclass(frozen=True)
class Run:
    """What came of one grading; `told` is what was seen, `failed` the checks that have failed."""

    verdict: Verdict
    told: str
    failed: frozenset[str]
    seconds: float


class Record:
    """The runs of a proof, in a file to which each is added when it ends (a line of JSON): a proof that was
    stopped goes on where it was. Runs of another grader, under other conditions or of another server do not count.

    Raises GraderTrouble where the file cannot be read or written, or is something else.
    """

    def __init__(self, path: Path, stress: str | None, short: bool) -> None:
        self._path, self._how = path, [stress, short, SWITCH in os.environ]
        self._grader = build.digest(*_GRADER, *_modules())
        self._runs: dict[str, list[Run]] = {}
        try:
            with open(path, "a+", encoding="utf-8") as file:
                file.seek(0)
                *lines, unfinished = file.read().split("\n")
                if unfinished:  # it was stopped in the middle of a line
                    file.truncate(sum(len(line.encode()) + 1 for line in lines))
            for data in map(json.loads, lines):
                run = Run(Verdict(data["verdict"]), data["told"], frozenset(data["failed"]), data["seconds"])
                self._runs.setdefault(data["of"], []).append(run)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise GraderTrouble(f"{path} is no record of a proof: {error}") from error

    def _of(self, server: Known) -> str:
        """What a run is one of: the grader, how it was kept busy and whether it explains, the server's name and source."""
        source = build.digest(str(server.source.relative_to(ROOT)))
        return json.dumps([self._grader, *self._how, server.id, source])

    def runs(self, server: Known) -> list[Run]:
        """Those of `server` that were made before."""
        return self._runs.get(self._of(server), [])

    def add(self, server: Known, run: Run) -> None:
        told = "" if run.verdict is Verdict.RIGHT else run.told
        data = {"of": self._of(server), "verdict": run.verdict.value, "told": told}
        data |= {"failed": sorted(run.failed), "seconds": run.seconds}
        try:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(data) + "\n")
        except OSError as error:
            raise GraderTrouble(f"cannot write to {self._path}: {error.strerror}") from error


def _modules() -> list[str]:
    """The files of the modules that grade, and of the checks, from the project's top folder."""
    finder = ModuleFinder([str(ROOT / "harness"), str(CHECKS)])
    for name in ("echolab.known", *(path.stem for path in CHECKS.glob("*.py"))):
        finder.import_hook(name)
    return [str(Path(m.__file__).relative_to(ROOT)) for m in finder.modules.values() if m.__file__]


def prove(
    servers: Sequence[Known],
    *,
    runs: int = 1,
    jobs: int = 0,
    stress: str | None = None,
    short: bool = False,
    record: Path | None = None,
    done: Callable[[Proof, Verdict], None] = lambda proof, verdict: None,
) -> list[Proof]:
    """Grades each server `runs` times, `jobs` at a time (0: one for each processor).

    `stress` is "busy" (each processor has other work as well) or "half" (all of this has half of one
    processor). With `short`, a wrong server is graded by those steps only that it has to fail: nothing is
    said of the others. `done` is told of each server, and of the verdict, after each of its runs. With `record`,
    see Record: runs that stand in it count. Raises GraderTrouble, CompileError.
    """
    kept = Record(record, stress, short) if record else None
    build.build(*{path for server in servers for path in server.binaries})
    proofs = {server: Proof(server) for server in servers}
    failures: dict[Known, set[frozenset[str]]] = {server: set() for server in servers}

    def take(server: Known, run: Run) -> None:
        proof = proofs[server]
        proof.verdicts[run.verdict] += 1
        proof.seconds += run.seconds
        failures[server].add(run.failed)
        proof.changed = len(failures[server]) > 1
        if run.verdict is not Verdict.RIGHT and run.told not in proof.accounts:
            proof.accounts.append(run.told)
        done(proof, run.verdict)

    before = {server: kept.runs(server)[:runs] if kept else [] for server in servers}
    for server in servers:
        for run in before[server]:
            take(server, run)
    context = multiprocessing.get_context("spawn")
    with (
        _stressed(stress),
        ProcessPoolExecutor(jobs or processors(), context, initializer=end_with, initargs=(os.getpid(),)) as pool,
    ):
        waiting: dict[Future[Run], Known] = {}
        for number in range(runs):
            left = [server for server in servers if number >= len(before[server])]
            waiting |= {pool.submit(_grade, server, short): server for server in left}
        try:
            for future in as_completed(waiting):
                server, run = waiting[future], future.result()
                if kept:
                    kept.add(server, run)
                take(server, run)
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()  # its server ends with it
            pool.shutdown(cancel_futures=True)
            raise
    return list(proofs.values())


def _grade(server: Known, short: bool) -> Run:
    try:
        report = _short_report(server) if short and server.is_wrong else grade(server.target)
    except GraderTrouble as error:
        return Run(Verdict.TROUBLE, str(error), frozenset(), 0.0)
    failed = frozenset(check.id for check in report.checks if check.observed is not None)
    return Run(server.judge(report), told(report), failed - server.checks("perhaps"), report.seconds)


def _short_report(server: Known) -> Report:
    reports = [grade(server.target, step) for step in server.steps]
    steps = [step for report in reports for step in report.steps]
    return replace(reports[0], steps=steps, seconds=sum(report.seconds for report in reports))


@contextmanager
def _stressed(how: str | None) -> Iterator[None]:
    allowed = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("fork")
    busy = [context.Process(target=_work, args=(os.getpid(), number), daemon=True) for number in allowed]
    if how == "half":
        os.sched_setaffinity(0, allowed[:1])
        busy = busy[:1]
    elif how != "busy":
        busy = []
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
        os.sched_setaffinity(0, allowed)


def _work(parent: int, processor: int) -> None:
    os.sched_setaffinity(0, {processor})
    while os.getppid() == parent:
        sum(range(10_000))
