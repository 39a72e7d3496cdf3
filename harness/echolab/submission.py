"""One submission: the files that a student handed in go in, a Report for each lesson comes out.

The grading is a process of its own, `python3 -m echolab.submission FOLDER …`, in a network of its own;
what it builds and runs for the student is in a sandbox once more (sandbox.py). It writes a line of JSON
for each lesson to its stdout, which nothing that the student wrote can reach; and one for all of them, as
a page or in the form that a platform wants.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from echolab import build, kit, procfs, sandbox, sanitizers
from echolab.build import DIRECTORY, CompileError
from echolab.course import ROOT, Lesson, Step, find
from echolab.grading import Interrupted, Missing, Target, grade
from echolab.regions import RegionError, assemble
from echolab.report import Report, html
from echolab.report import json as report_json
from echolab.report.platforms import PLATFORMS
from echolab.sandbox import MIB, Sandbox
from echolab.server import Command
from echolab.verdict import GraderTrouble

_MOST_MEMORY = 3072 * MIB  # of all that one submission runs at a time
_OURS = 256 * MIB  # of a container's, for the grader
_running: set[subprocess.Popen[str]] = set()
_LONGEST_WORD = 300  # characters of a grader's last
_GRACE = 60  # seconds that the grader has to end in, once it was told to


@dataclass(frozen=True)
class Submission:
    """What one student handed in: for each lesson its files, by name; and what is to be said about it."""

    student: str
    files: Mapping[int, Mapping[str, bytes]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """How submissions are graded. `seconds` is the longest that one of them may take; `platform` is
    whose form the result is to have, if not a page; without `walls` see Sandbox."""

    lessons: tuple[int, ...]
    sandboxed: bool = True
    seconds: float = 900
    platform: str | None = None
    walls: bool = True


@dataclass
class Graded:
    """What came of a submission: by lesson its report, as `lab check --json` has it, and the notes on it;
    all of them as a page, as `lab check --html` has it, or as a `result` in a platform's form; or the
    grader's trouble."""

    reports: dict[int, dict[str, Any]] = field(default_factory=dict)
    notes: dict[int, list[str]] = field(default_factory=dict)
    page: str = ""
    result: dict[str, Any] | None = None
    trouble: str | None = None


# -- for who has a submission


def grade_submission(submission: Submission, settings: Settings) -> Graded:
    """A pure function, for an executor: it needs nothing but its arguments and this project."""
    folder = Path(tempfile.mkdtemp(prefix="echolab-"))
    try:
        if settings.sandboxed and settings.walls:
            sandbox.demand()
        # In a platform's container there is one submission, and nothing in the memory yet.
        kit.prepare(() if settings.platform else settings.lessons)
        if not settings.walls:
            sandbox.lock([kit.KIT, build.WITNESS.parent])
            folder.chmod(0o711)
        _write(submission, folder)
        return grade_folder(folder, settings)
    except (GraderTrouble, OSError) as error:
        return Graded(trouble=str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(submission: Submission, folder: Path) -> None:
    for number, files in submission.files.items():
        lesson, _ = find(str(number))
        source = replace(lesson, root=folder).source()
        source.parent.mkdir(parents=True)
        for name, text in files.items():
            (source.parent / name).write_bytes(text)
    for below, _, names in os.walk(folder / "lessons"):
        os.chmod(below, 0o755)
        for name in names:
            os.chmod(Path(below, name), 0o644)


def grade_folder(folder: Path, settings: Settings) -> Graded:
    """Grades the lessons below `folder`/lessons, and builds in `folder`/build."""
    command = [sys.executable, "-P", "-m", __spec__.name, str(folder), *_options(settings)]
    if settings.sandboxed and settings.walls:
        command = sandbox.with_own_network(command)
    else:
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    grader = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT / "harness")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us
    )
    _running.add(grader)
    try:
        said, errors = _until_it_ends(grader, settings.seconds)
    finally:
        _running.discard(grader)
    return _read(said, errors, settings)


def end_all() -> None:
    """Ends every grading that is going on in this process; what they would have said is lost."""
    for grader in list(_running):
        grader.kill()


def _options(settings: Settings) -> list[str]:
    options = ["--lessons", ",".join(map(str, settings.lessons)), "--seconds", str(settings.seconds)]
    options += ["--platform", settings.platform] if settings.platform else []
    options += [] if settings.walls else ["--no-walls"]
    return options if settings.sandboxed else [*options, "--no-sandbox"]


def _until_it_ends(grader: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    try:
        # It gives up by itself; this is for one that cannot.
        return grader.communicate(timeout=seconds + _GRACE)
    except subprocess.TimeoutExpired:
        grader.kill()
        return grader.communicate()


def _read(said: str, errors: str, settings: Settings) -> Graded:
    graded = Graded()
    for line in said.splitlines():
        data = json.loads(line)
        if "trouble" in data:
            graded.trouble = data["trouble"]
        elif "page" in data:
            graded.page = data["page"]
        elif "result" in data:
            graded.result = data["result"]
        else:
            number = data["report"]["lesson"]
            graded.reports[number], graded.notes[number] = data["report"], data["notes"]
    if not graded.trouble and not graded.page and graded.result is None:
        last = (errors.strip().splitlines() or ["it was killed"])[-1][:_LONGEST_WORD]
        graded.trouble = f"the grader of this submission has ended early: {last}"
    return graded


# -- the process that grades


@dataclass(frozen=True)
class HandedIn(Target):
    """A lesson below somebody else's folder, built with the kit and run in a sandbox."""

    sandbox: Sandbox | None = None

    def prepare(self) -> Command:
        if not self.lesson.source().exists():
            raise Missing(f"{self.name} was not handed in")
        return super().prepare()

    @property
    def binary(self) -> Path:
        return self._ours(super().binary)

    def sanitized_binary(self, name: str) -> Path | None:
        path = super().sanitized_binary(name)
        return path and self._ours(path)

    def _ours(self, path: Path) -> Path:
        return self.lesson.root / "build" / path.relative_to(DIRECTORY)

    def build(self, *binaries: Path) -> None:
        with open(self.lesson.root / "building", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for binary in binaries:
                if binary.is_relative_to(self.lesson.root) and not binary.exists():
                    self._compile(binary, self.lesson.source())

    def _compile(self, binary: Path, source: Path, *shown: Path) -> None:
        name = str(binary.relative_to(self.lesson.root / "build"))
        folders = [self.lesson.source().parent, *shown]
        kit.compile(name, source, folders, self.lesson.root, self.sandbox)

    def build_alone(self, steps: Collection[Step], sanitized: bool) -> dict[int, str]:
        errors = {}
        kinds = (None, *sanitizers.NAMES) if sanitized else (None,)
        for step in steps:
            try:
                if not all(self._relink(step, kind) for kind in kinds):
                    self._compile_alone(step, kinds)
            except RegionError as error:
                errors[step.number] = str(error).replace(f"{self.lesson.root}/", "")
            except CompileError as error:
                errors[step.number] = str(error)
        return errors

    def _relink(self, step: Step, kind: str | None) -> bool:
        whole, alone = (self._of_kind(target, kind) for target in (self, replace(self, alone=step)))
        if not self.binary.exists() or not build.can_relink(self.lesson, step):  # it does not compile
            return False
        self.build(whole)
        root = self.lesson.root
        names = (str(path.relative_to(root / "build")) for path in (alone, whole))
        return kit.relink(*names, self.lesson.of_the_course, step, kind, root, self.sandbox)

    def _compile_alone(self, step: Step, kinds: Collection[str | None]) -> None:
        target = replace(self, alone=step)
        folder = self.lesson.root / "assembled" / self.lesson.slug / str(step.number)
        source = folder / "server.cpp"
        # With the student's own headers beside it, as they are beside the whole.
        shutil.copytree(self.lesson.source().parent, folder, dirs_exist_ok=True)
        text = assemble(self.lesson.source(solutions=True), self.lesson.source(), [step.number], [])
        source.write_text(text, encoding="utf-8")
        for kind in kinds:
            target._compile(self._of_kind(target, kind), source, folder)

    @staticmethod
    def _of_kind(target: Target, kind: str | None) -> Path:
        binary = target.sanitized_binary(kind) if kind else target.binary
        assert binary
        return binary

    def start(self, binary: Path) -> Command:
        command = super().start(binary)
        if self.sandbox and not self.sandbox.walls:
            procfs.limit_descriptors = _limit_descriptors
        return replace(command, sandbox=self.sandbox and self.sandbox.showing(binary))


_limit_as_root = procfs.limit_descriptors


def _limit_descriptors(pid: int, most: int) -> int:
    """Where there are no walls: it becomes root again, which ends look_as() (man 2 setresuid)."""
    with sandbox.real_user_of(pid):
        return _limit_as_root(pid, most)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lessons", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--platform", choices=PLATFORMS)
    parser.add_argument("--no-sandbox", action="store_true")
    parser.add_argument("--no-walls", action="store_true")
    options = parser.parse_args()
    os.umask(0o022)  # another user reads what we write
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who started us may ignore it
    box = None if options.no_sandbox else Sandbox(walls=not options.no_walls)
    lessons = [find(number)[0] for number in options.lessons.split(",")]
    try:
        with _time_limit(options.seconds), _memory_guard(_most_memory()) as excesses:
            reports = []
            for report in _grade(lessons, options.folder, box, options.seconds):
                report.notes += excesses
                excesses.clear()
                reports.append(report)
                _say(report=report_json.as_data(report), notes=report.notes)
            if options.platform:
                _say(result=PLATFORMS[options.platform].as_data(reports))
            else:
                _say(page=html.write(reports))
    except GraderTrouble as error:
        _say(trouble=str(error))


def _say(**data: object) -> None:
    print(json.dumps(data), flush=True)


def _grade(
    lessons: list[Lesson], folder: Path, box: Sandbox | None, seconds: float
) -> Iterator[Report]:
    late = Missing(f"was not tried: the {seconds:g} s that one submission may take were used up")
    out_of_time = False
    for lesson in lessons:
        target = HandedIn(replace(lesson, root=folder), sandbox=box)
        if not out_of_time:
            try:
                yield grade(target, at_once=1)
                continue
            except Interrupted as stopped:
                out_of_time = True
                stopped.report.notes.append(f"the {seconds:g} s that one submission may take are used up")
                yield stopped.report
                continue
            except KeyboardInterrupt:
                out_of_time = True
        yield grade(_Refused(target.lesson, refusal=late))


@dataclass(frozen=True)
class _Refused(Target):
    """A lesson that is not even tried."""

    refusal: Missing | None = None

    def prepare(self) -> Command:
        assert self.refusal
        raise self.refusal


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """What is going on after that many seconds is interrupted, as by Ctrl-C."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _most_memory() -> int:
    """In bytes: what all that one submission runs may have at a time. In a container with less (man 7
    cgroups) some is kept for us: the kernel might end the grader instead of the student's server."""
    limits = [_MOST_MEMORY]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limit = int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii"))
            limits.append(max(limit - _OURS, limit // 2))
    return min(limits)


@contextmanager
def _memory_guard(most: int) -> Iterator[list[str]]:
    """Ends the largest of all that runs for the student when together it has more than `most` bytes.

    Gives a list that then says so. The kernel's limits are for a process: many small ones pass them.
    """
    said: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            used = {pid: procfs.own_memory(pid) for pid in _below(os.getpid())}
            total = sum(used.values())
            if total <= most:
                continue
            if not said:
                said.append(f"what was running had more than {most // MIB:,} MiB of memory, and was ended")
            for pid in sorted(used, key=used.__getitem__, reverse=True):
                if total <= most // 2:
                    break
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                total -= used[pid]

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield said
    finally:
        done.set()
        thread.join()


def _below(pid: int) -> Iterator[int]:
    for child in procfs.children(pid):
        yield child
        yield from _below(child)


if __name__ == "__main__":
    main()
