"""Building with Meson and Ninja, and what the compiler had to say."""

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from itertools import takewhile
from pathlib import Path

from echolab import relink, sanitizers
from echolab.apart import processors
from echolab.course import ROOT, Lesson, Step
from echolab.regions import stands_alone
from echolab.verdict import GraderTrouble
from echolab.warden import Warden

DIRECTORY = ROOT / "build"
WARDEN = DIRECTORY / "harness" / "warden" / "warden"
WITNESS = DIRECTORY / "harness" / "witness" / "libwitness.so"
# The compiler's messages in the language of the docs; the interpreter that has our modules.
_ENVIRONMENT = ["LC_ALL=C.UTF-8", f"ECHOLAB_PYTHON={sys.executable}"]


class CompileError(Exception):
    """A source file does not compile; the text is the compiler's, file and line first."""

    what = "does not compile"


def server(lesson: Lesson, solutions: bool = False) -> Path:
    """Where Meson puts the lesson's server."""
    return DIRECTORY / ("solutions" if solutions else "lessons") / lesson.slug / "server"


def sanitized(lesson: Lesson, solutions: bool, sanitizer: str) -> Path:
    """Where Meson puts the lesson's server that was built with "tsan" or "asan"."""
    kind = "solution" if solutions else "lesson"
    return DIRECTORY / f"{kind}s" / f"{kind}-{lesson.number}-{sanitizer}"


def alone(lesson: Lesson, step: Step, sanitizer: str | None = None) -> Path:
    """Where Meson puts the solution with only this step's chapter taken from the lesson."""
    name = f"only-{step.number}" + (f"-{sanitizer}" if sanitizer else "")
    return DIRECTORY / "solutions" / lesson.slug / name


def build(*targets: Path) -> None:
    """Brings `targets` up to date. Raises CompileError, GraderTrouble."""
    with _only_one():
        configure()
        code, printed = _ninja(targets)
        if code == 0:
            return
        if (failed := _failures(printed)) and failed[0][1]:
            raise CompileError(failed[0][1])
        raise GraderTrouble(f"the build failed:\n{last_lines(printed)}")


def build_alone(lesson: Lesson, steps: Collection[Step], sanitized: bool) -> dict[int, str]:
    """Brings the servers alone() of these steps up to date, side by side; with sanitizers too, if so.

    They are relinked where the student's whole server compiles, else compiled. Returns what the compiler has to
    say against some of them, by step. Raises GraderTrouble.
    """
    kinds = (None, *sanitizers.NAMES) if sanitized else (None,)
    with _only_one():
        configure()
        wholes = [whole(lesson, solutions, kind) for kind in kinds for solutions in (False, True)]
        left = set(steps)
        if _ninja(wholes)[0] == 0:
            wanted = [(step, kind) for step in steps if can_relink(lesson, step) for kind in kinds]
            with ThreadPoolExecutor(processors()) as pool:
                made = pool.map(lambda one: _relink(lesson, *one), wanted)
            done = dict(zip(wanted, made, strict=True))
            left = {step for step in steps if not all(done.get((step, kind)) for kind in kinds)}
        if not left:
            return {}
        # The whole has not been built, and so perhaps no warden either.
        code, printed = _ninja([WARDEN, *(alone(lesson, step, kind) for step in left for kind in kinds)], "-k", "0")
        failed = _failures(printed) if code else []
    errors: dict[int, str] = {}
    for output, said in failed:
        name = re.search(rf"(?:(?<!\d){lesson.number}-|{lesson.slug}/)only-(\d+)\b", output)
        if not name or not said:
            raise GraderTrouble(f"the build failed:\n{last_lines(printed)}")
        errors.setdefault(int(name[1]), said)
    if code and not errors:
        raise GraderTrouble(f"the build failed:\n{last_lines(printed)}")
    return errors


def whole(lesson: Lesson, solutions: bool, kind: str | None) -> Path:
    """Where Meson puts the server; with the sanitizer `kind`, if one is given."""
    return sanitized(lesson, solutions, kind) if kind else server(lesson, solutions)


def can_relink(lesson: Lesson, step: Step) -> bool:
    """Whether the student's chapter is the same by itself as in the whole file."""
    given = [*ROOT.glob("lessons/*/server.hpp"), *ROOT.glob("lessons/common/*.hpp")]
    functions = [name for each in lesson.steps for name in each.functions]
    return stands_alone(lesson.source(), step.number, given, functions)


def _relink(lesson: Lesson, step: Step, kind: str | None) -> bool:
    """Makes the server alone() of two whole ones that are up to date; False if that cannot be done."""
    to = alone(lesson, step, kind)
    wholes = (link_of(whole(lesson, solutions, kind))[1] for solutions in (False, True))
    folder = to.with_name(f"{to.name}.p")
    folder.mkdir(parents=True, exist_ok=True)
    made = [str(folder / name) for name in relink.MADE]
    try:
        relink.relink(step.functions, *(str(DIRECTORY / object) for object in wholes), *made)
    except (relink.Unsuitable, subprocess.CalledProcessError, OSError):  # OSError: there are no binutils
        return False
    link, object = link_of(to)
    # What Ninja has compiled of this chapter before is not what the server is made of any more.
    (DIRECTORY / object).unlink(missing_ok=True)
    code, _ = _run(["env", "-C", str(DIRECTORY), *relink.with_objects(link, object, made)])
    return code == 0


@cache
def link_of(target: Path) -> tuple[list[str], str]:
    """The command that links `target`, in the build folder, and its own object in it. Raises GraderTrouble."""
    link = shlex.split(commands(str(target.relative_to(DIRECTORY)))[-1])
    return link, next(word for word in link if word.endswith(".cpp.o"))


def configure(needed: str = "", file: str = "build.ninja") -> None:
    """Sets up the build folder, unless that is done and `needed` stands in its `file`. Raises GraderTrouble.

    What was installed since then (Catch2, say) is found by setting it up once more.
    """
    options = []
    try:
        if needed in (DIRECTORY / file).read_text(encoding="utf-8"):
            return
        options = ["--reconfigure"]
    except FileNotFoundError:
        pass
    code, printed = _run([_tool("meson"), "setup", *options, str(DIRECTORY), str(ROOT)])
    if code != 0:
        raise GraderTrouble(f"meson setup failed:\n{last_lines(printed)}")


@cache
def targets() -> frozenset[str]:
    """All that Ninja can build, by name. Raises GraderTrouble."""
    _, printed = _query("targets", "all")
    return frozenset(line.rpartition(": ")[0] for line in printed.splitlines())


def commands(name: str) -> list[str]:
    """The commands that make the target `name`, in order, run in the build folder. Raises GraderTrouble."""
    code, printed = _query("commands", name)
    if code != 0 or not printed:
        raise GraderTrouble(f"Ninja does not know how to make {name}: {last_lines(printed)}")
    return printed.splitlines()


def digest(*patterns: str) -> str:
    """What the project's files that match these patterns come to: the same as long as none has changed."""
    total = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            total.update(path.read_bytes())
    return total.hexdigest()


def _query(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [_tool("ninja"), "-C", str(DIRECTORY), "-t", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines(keepends=True)
    return done.returncode, "".join(line for line in lines if not line.startswith("ninja: "))


@contextmanager
def _only_one() -> Iterator[None]:
    """Two graders in one tree build one after the other."""
    try:
        DIRECTORY.mkdir(exist_ok=True)
        with open(DIRECTORY / ".lab-lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)  # a process that was forked meanwhile has it open too
    except OSError as error:
        raise GraderTrouble(f"cannot write to {DIRECTORY}: {error.strerror}") from error


def _tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise GraderTrouble(f"{name} is not installed")
    return found


def _ninja(targets: Iterable[Path], *options: str) -> tuple[int, str]:
    _renew_dates()
    names = [str(target.relative_to(DIRECTORY)) for target in targets]
    return _run([_tool("ninja"), "-C", str(DIRECTORY), *options, *names])


def _renew_dates() -> None:
    """Ninja builds what is newer than what was made of it. A copy that is put back, or a file that is
    saved after the clock was set back, has changed and is older: it gets the date of today."""
    kept = DIRECTORY / "dates.json"
    known: dict[str, int] = {}
    with suppress(OSError, ValueError):
        known = json.loads(kept.read_text(encoding="utf-8"))
    dates: dict[str, int] = {}
    for path in ROOT.glob("lessons/*/*.?pp"):
        with suppress(OSError):
            date = path.stat().st_mtime_ns
            if known.get(str(path), date) != date and date <= kept.stat().st_mtime_ns:
                os.utime(path)
            dates[str(path)] = path.stat().st_mtime_ns
    if dates != known:
        kept.write_text(json.dumps(dates), encoding="utf-8")


def _run(command: list[str]) -> tuple[int, str]:
    """The command's exit code, and all that it printed (of much, the first and the last part).

    Under the warden, once there is one: a compiler does not outlive the grader either. Until then Ninja
    is told of our end (man 2 PR_SET_PDEATHSIG), and ends its compilers.
    """
    if WARDEN.exists():
        warden = Warden(WARDEN, ["env", *_ENVIRONMENT, *command])
        try:
            return warden.wait(), "".join(warden.printed(stream) for stream in (0, 1))
        finally:
            warden.close()
    done = subprocess.run(
        ["setpriv", "--pdeathsig", "TERM", "env", *_ENVIRONMENT, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def _failures(output: str) -> list[tuple[str, str | None]]:
    """Of each command that failed: what it should have made, and what it said from its first error on.

    That is None where there is no compiler's error in it. Paths count from the top folder.
    """
    prefix = os.path.relpath(ROOT, DIRECTORY) + "/"
    text = output.replace(f"{DIRECTORY}/{prefix}", "").replace(prefix, "")
    failures = []
    for block in re.split(r"(?m)^FAILED: ", text)[1:]:
        made, _, *lines = block.splitlines()  # and the command itself
        said = list(takewhile(lambda line: not re.match(r"\[\d+/\d+\] |ninja: ", line), lines))
        failures.append((made, first_errors(said)))
    return failures


def first_errors(said: list[str]) -> str | None:
    """What a compiler or linker said, from its first error on; None if there is none in it.

    A mistake of the student's goes before what follows from it in somebody else's file.
    """
    error = r":\d+(:\d+)?: (fatal )?error: "
    for pattern in (r"lessons/\S+" + error, r"\S+" + error, r".*(undefined reference to|multiple definition of) "):
        for number, line in enumerate(said):
            if re.match(pattern, line):
                return "\n".join(said[number : number + 40])
    return None


def last_lines(text: str, most: int = 15) -> str:
    """The end of what a program printed."""
    return "\n".join(text.strip().splitlines()[-most:])


def unit(lesson: Lesson, step: Step | None) -> int:
    """Builds and runs the unit tests of a lesson, or of one step; 0, or 1 if one of them failed.

    Raises CompileError, GraderTrouble.
    """
    binary = server(lesson).with_name("server_test")
    with _only_one():
        configure(f"lessons/{lesson.slug}/server_test")
    build(binary)
    tags = [f"[step-{step.number}]"] if step else []
    return 1 if subprocess.run([binary, *tags], stdin=subprocess.DEVNULL, check=False).returncode else 0


def test(names: list[str]) -> int:
    """Builds and runs the project's tests with Meson; its exit code. Raises GraderTrouble."""
    tests = "meson-info/intro-tests.json"
    for name in ('"solution 1"', '"test_report"'):  # one in C++, with Catch2, and one in Python
        configure(name, file=tests)
        if name not in (DIRECTORY / tests).read_text(encoding="utf-8"):
            raise GraderTrouble(f"Meson has left out tests such as {name}: see its log in {DIRECTORY.name}/meson-logs")
    log = DIRECTORY / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    command = [_tool("meson"), "test", "-C", str(DIRECTORY), "--print-errorlogs", *names]
    code = subprocess.run(
        ["env", *_ENVIRONMENT, *command], stdin=subprocess.DEVNULL, check=False
    ).returncode
    if not log.exists():
        raise GraderTrouble("no test has been run")
    results = Counter(json.loads(line)["result"] for line in log.open(encoding="utf-8"))
    passed, skipped = results["OK"], results["SKIP"]
    failed = results.total() - passed - skipped
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return code
