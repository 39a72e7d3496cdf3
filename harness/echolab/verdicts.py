"""What has been found out about chapters by themselves, kept until they change, or what they are tried with."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from echolab import build
from echolab.course import ROOT, Lesson, Step
from echolab.regions import Region, includes
from echolab.report import CheckResult, Status, Where

FOLDER = build.DIRECTORY / "verdicts"
_MOST = 1000  # files that are kept
# All that a chapter is compiled, graded and explained with; and more of the grader than that.
_SURROUNDINGS = (
    "lessons/common/*pp",
    "lessons/*/server.hpp",
    "lessons/*/lesson.toml",
    "solutions/*/server.cpp",
    "harness/checks/*.py",
    "harness/echolab/**/*.py",
    "harness/warden/*pp",
    "harness/witness/*.*",
    "meson.build",
    "lessons/**/meson.build",
    "solutions/**/meson.build",
)


@dataclass(frozen=True)
class Verdict:
    """What is known of one chapter by itself: its checks or, if it does not compile, the errors."""

    checks: tuple[CheckResult, ...] = ()
    error: str | None = None

    @property
    def right(self) -> bool:
        return bool(self.checks) and all(check.status is Status.PASS for check in self.checks)

    @property
    def final(self) -> bool:
        """Whether another try would come to the same."""
        found = {check.status for check in self.checks}
        return Status.ERROR not in found and (Status.BLOCKED not in found or Status.FAIL in found)


class KeptVerdicts:
    """The verdicts on one lesson's chapters; in the build folder, one file each.

    None are kept of what others have handed in: each is graded for itself alone.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._lesson = lesson
        self._surroundings = build.digest(*_SURROUNDINGS) if self._keeps else ""

    @property
    def _keeps(self) -> bool:
        return self._lesson.root == ROOT

    def find(self, step: Step, chapter: Region) -> Verdict | None:
        """What is known of exactly this chapter."""
        if not self._keeps:
            return None
        try:
            kept = json.loads(self._place(step, chapter).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if kept["first_line"] not in (None, chapter.first_line):
            return None
        return Verdict(tuple(self._revived(data, step) for data in kept["checks"]), kept["error"])

    def _revived(self, data: dict, step: Step) -> CheckResult:
        check = CheckResult(**data)
        check.status = Status(check.status)
        if data["where"]:
            check.where = self._where(step)
        return check

    def _where(self, step: Step) -> Where | None:
        found = self._lesson.where(step)
        return Where(*found) if found else None

    def keep(self, step: Step, chapter: Region, verdict: Verdict) -> None:
        """Keeps the verdict, if it is final."""
        if not verdict.final or not self._keeps:
            return
        # One that names lines of the file holds as long as they stand where they are.
        here = self._where(step)
        names_lines = verdict.error or any(c.where and c.where != here for c in verdict.checks)
        data = {
            "first_line": chapter.first_line if names_lines else None,
            "checks": [asdict(check) for check in verdict.checks],
            "error": verdict.error,
        }
        place = self._place(step, chapter)
        try:
            FOLDER.mkdir(parents=True, exist_ok=True)
            for old in sorted(FOLDER.iterdir(), key=lambda path: path.stat().st_mtime)[:-_MOST]:
                old.unlink()
            unfinished = place.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(data), encoding="utf-8")
            unfinished.replace(place)
        except OSError:
            pass  # it is found out again the next time

    def _place(self, step: Step, chapter: Region) -> Path:
        mine = [step.id, *includes(self._lesson.source()), *chapter.lines]
        return FOLDER / hashlib.sha256("\n".join([self._surroundings, *mine]).encode()).hexdigest()
