"""Building with Meson and Ninja, and what the compiler had to say."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import takewhile
from pathlib import Path

from echolab.course import ROOT, Lesson
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


def build(*targets: Path) -> None:
    """Brings `targets` up to date. Raises CompileError, GraderTrouble."""
    with _only_one():
        configure()
        names = [str(target.relative_to(DIRECTORY)) for target in targets]
        code, printed = _run([_tool("ninja"), "-C", str(DIRECTORY), *names])
        if code == 0:
            return
        if errors := _compiler_errors(printed):
            raise CompileError(errors)
        raise GraderTrouble(f"the build failed:\n{last_lines(printed)}")


def configure() -> None:
    """Sets up the build folder unless that is done. Raises GraderTrouble."""
    if (DIRECTORY / "build.ninja").exists():
        return
    code, printed = _run([_tool("meson"), "setup", str(DIRECTORY), str(ROOT)])
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
            yield
    except OSError as error:
        raise GraderTrouble(f"cannot write to {DIRECTORY}: {error.strerror}") from error


def _tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise GraderTrouble(f"{name} is not installed")
    return found


def _run(command: list[str]) -> tuple[int, str]:
    """The command's exit code, and all that it printed (of much, the first and the last part).

    Under the warden, once there is one: a compiler does not outlive the grader either.
    """
    if WARDEN.exists():
        warden = Warden(WARDEN, ["env", *_ENVIRONMENT, *command])
        try:
            return warden.wait(), "".join(warden.printed(stream) for stream in (0, 1))
        finally:
            warden.close()
    done = subprocess.run(
        ["env", *_ENVIRONMENT, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def _compiler_errors(output: str) -> str | None:
    """What the first failed command said, from its first error on, with paths from the top folder."""
    prefix = os.path.relpath(ROOT, DIRECTORY) + "/"
    text = output.replace(f"{DIRECTORY}/{prefix}", "").replace(prefix, "")
    lines = iter(text.splitlines())
    if not any(line.startswith("FAILED: ") for line in lines):
        return None
    next(lines)  # the command itself
    return first_errors(list(takewhile(lambda line: not re.match(r"\[\d+/\d+\] |ninja: ", line), lines)))


def first_errors(said: list[str]) -> str | None:
    """What a compiler or linker said, from its first error on; None if there is none in it."""
    error = re.compile(r"\S+:\d+(:\d+)?: (fatal )?error: |.*(undefined reference to|multiple definition of) ")
    first = next((n for n, line in enumerate(said) if error.match(line)), None)
    return None if first is None else "\n".join(said[first : first + 40])


def last_lines(text: str, most: int = 15) -> str:
    """The end of what a program printed."""
    return "\n".join(text.strip().splitlines()[-most:])


def test(names: list[str]) -> int:
    """Builds and runs the project's tests with Meson; its exit code. Raises GraderTrouble."""
    configure()
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
