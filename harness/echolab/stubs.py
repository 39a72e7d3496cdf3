"""The lessons as they were handed out: by them we know what a student has not touched, and put it back.

harness/stubs.sha256 says, in the form of sha256sum, what each lesson's server.cpp was. The text with
that sum is in the tree until somebody works on it; later in git's history, or in harness/stubs,
where a package that has no git keeps a copy. One that was found is kept in the build folder.
"""

import hashlib
import os
import subprocess
from itertools import count
from pathlib import Path

from echolab.course import ROOT, Lesson, Step
from echolab.regions import Region, RegionError, scan

SUMS = ROOT / "harness" / "stubs.sha256"
_PACKED = ROOT / "harness" / "stubs"
_KEPT = ROOT / "build" / "stubs"
_MOST_VERSIONS = 500  # of a file, that are looked at in git's history


class NoStub(Exception):
    """The lesson as it was handed out is nowhere to be found; the text says where it was looked for."""


def text(lesson: Lesson) -> str:
    """The lesson's server.cpp as it was handed out. Raises NoStub."""
    wanted = _sum(lesson)
    kept = _KEPT / f"{wanted}.cpp"
    for place in (lesson.source(), kept, _PACKED / f"{lesson.slug}.cpp"):
        if found := _matching(_read(place), wanted):
            break
    else:
        found = _from_git(lesson, wanted)
    if not found:
        raise NoStub(
            f"{lesson.source().relative_to(ROOT)} as it was handed out is neither in git's history "
            f"nor in {_PACKED.relative_to(ROOT)}"
        )
    if not kept.exists():
        _keep(kept, found)
    return found.decode()


def chapters(lesson: Lesson) -> dict[int, Region]:
    """The chapters of the lesson as it was handed out, by step; none where that is not known."""
    try:
        return scan(lesson.source(), text(lesson))[0]
    except NoStub:
        return {}


def untouched(lesson: Lesson) -> bool:
    """Whether nobody has worked on the lesson yet."""
    return _matching(_read(lesson.source()), _sum(lesson)) is not None


def put_back(lesson: Lesson, step: Step | None) -> Path | None:
    """Makes the chapter of `step`, or the whole file, what it was; returns where the old one is.

    That is beside it, as `cp --backup=numbered` names it; None if there was no file, or nothing to
    change. Raises NoStub, OSError, and RegionError if the chapter's markers are missing.
    """
    source = lesson.source()
    before, new = _read(source), text(lesson)
    if step and before is not None:
        mine, pristine = scan(source)[0], scan(source, new)[0][step.number]
        if step.number not in mine:
            raise RegionError(f"the #region markers of step {step.id} are missing")
        lines = before.decode(errors="surrogateescape").splitlines()
        first = mine[step.number].first_line - 1
        lines[first : first + len(mine[step.number].lines)] = pristine.lines
        new = "\n".join(lines) + "\n"
    after = new.encode(errors="surrogateescape")
    if before == after:
        return None
    kept = _backup(source, before) if before is not None else None
    source.write_bytes(after)
    return kept


def _backup(source: Path, data: bytes) -> Path:
    for number in count(1):
        kept = source.with_name(f"{source.name}.~{number}~")
        try:
            with kept.open("xb") as copy:
                copy.write(data)
            return kept
        except FileExistsError:
            continue
    raise AssertionError("there is always a next number")


def _sum(lesson: Lesson) -> str:
    sums = (_read(SUMS) or b"").decode().splitlines()
    known = {name: total for total, name in map(str.split, sums)}
    return known.get(str(lesson.source().relative_to(ROOT)), "")


def _matching(data: bytes | None, wanted: str) -> bytes | None:
    return data if data is not None and hashlib.sha256(data).hexdigest() == wanted else None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _keep(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError:
        pass  # it is looked for again the next time


def _from_git(lesson: Lesson, wanted: str) -> bytes | None:
    name = str(lesson.source().relative_to(ROOT))
    history = _git("log", "--all", f"-n{_MOST_VERSIONS}", "--format=%H", "--", name)
    for commit in history.decode().split():
        if found := _matching(_git("show", f"{commit}:./{name}"), wanted):
            return found
    return None


def _git(*arguments: str) -> bytes:
    """What git prints; nothing where there is no git, or no repository."""
    command = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", *arguments]
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return b""
    return done.stdout if done.returncode == 0 else b""
