"""Servers whose verdict is known: the wrong ones (mutants) and the right ones (styles).

What is known of a server stands in its first lines:

    a mutant   // A wrong server: …             the defect, and what comes of it
               // fails: 1.4.…, 1.5.…           exactly the checks that fail; those that need a
                                                 sanitizer are asked only if one stands here
               // perhaps: 1.6.…                checks that fail in some runs, by the defect's nature
               // cause: …                      a regular expression: the cause that the first one names
    a style    // …                             what is different about it
               // command: ./NAME {port} …      how it is started
               // except: …                     what this model cannot do
               // blocked: 2.5.…                the checks that cannot be tried on it
"""

import re
import shlex
import sys
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from echolab import build, sanitizers, course
from echolab.course import ROOT, Lesson, Step
from echolab.grading import NEED_SANITIZER, Target, own_command
from echolab.report import Report, Status
from echolab.server import Command

_FIELDS = "fails|perhaps|cause|command|except|blocked"


class Verdict(Enum):
    """What a grading of a known server was worth."""

    RIGHT = "right"
    MISSED = "missed"
    WRONG_REASON = "wrong reason"
    FALSE_ALARM = "false alarm"
    TROUBLE = "grader's trouble"


@dataclass(frozen=True)
class Known:
    """One server whose verdict is known."""

    lesson: Lesson
    source: Path

    @property
    def is_wrong(self) -> bool:
        return self.source.parents[1].name == "mutants"

    @property
    def id(self) -> str:
        return f"{self.lesson.number}-{self.source.stem}"

    @cached_property
    def header(self) -> str:
        """The comment on top of the source, on one line."""
        comment = "#" if self.source.suffix == ".py" else "//"
        lines = []
        for line in self.source.read_text(encoding="utf-8").splitlines():
            if not line.startswith(comment) or line.startswith("#include"):
                break
            lines.append(line.removeprefix(comment).strip())
        return " ".join(lines)

    def field(self, name: str) -> str | None:
        """What the header says after "name:"."""
        found = re.search(rf"\b{name}: (.*?)(?= (?:{_FIELDS}): |$)", self.header)
        return found[1] if found else None

    def checks(self, name: str) -> set[str]:
        """The ids of the checks that the header lists after "name:"."""
        return {id.strip() for id in (self.field(name) or "").split(",") if id.strip()}

    @property
    def steps(self) -> list[Step]:
        """The steps of the checks that it fails in every run."""
        numbers = {int(id.split(".")[1]) for id in self.checks("fails")}
        return [self.lesson.step(number) for number in sorted(numbers)]

    @property
    def binary(self) -> Path | None:
        """Where Meson puts it; None if there is nothing to build."""
        if self.source.suffix != ".cpp":
            return None
        return build.DIRECTORY / self.source.parent.relative_to(ROOT) / self.source.stem

    @property
    def binaries(self) -> list[Path]:
        """All that has to be built to grade it."""
        if not self.binary:
            return []
        sanitized = [self._sanitized(name) for name in sanitizers.NAMES] if self._needs_sanitizer else []
        return [self.binary, *sanitized]

    @property
    def target(self) -> Target:
        """What is graded. Raises CommandError before it is built."""
        sanitized = self._sanitized if self._needs_sanitizer else None
        return Target(self.lesson, command=self._command, sanitized=sanitized)

    @property
    def _needs_sanitizer(self) -> bool:
        return any(id.split(".")[-1] in NEED_SANITIZER for id in self.checks("fails"))

    @property
    def _command(self) -> Command:
        program = [str(self.binary)] if self.binary else [sys.executable, str(self.source)]
        if own := self.field("command"):
            return Command.parse(f"{shlex.join(program)} {own.partition(' ')[2]}")
        return Command(own_command(Path(program[0]), self.lesson), text=self.id)

    def _sanitized(self, sanitizer: str) -> Path:
        assert self.binary
        return self.binary.with_name(f"{self.binary.name}-{sanitizer}")

    def judge(self, report: Report) -> Verdict:
        """Whether `report` says of this server what is known of it."""
        failed = {check.id: check.cause for check in report.having(Status.FAIL)}
        blocked = {check.id for check in report.having(Status.BLOCKED)}
        if report.having(Status.ERROR):
            return Verdict.TROUBLE
        if not self.is_wrong:
            right = not failed and blocked == self.checks("blocked")
            return Verdict.RIGHT if right else Verdict.FALSE_ALARM
        certain = [id for id in failed if id not in self.checks("perhaps")]
        if not certain:
            return Verdict.MISSED
        as_known = set(certain) == self.checks("fails")
        cause = re.search(str(self.field("cause")), str(failed[certain[0]]))
        return Verdict.RIGHT if as_known and cause else Verdict.WRONG_REASON


def catalogue() -> list[Known]:
    """Every server whose verdict is known, by lesson."""
    return [
        Known(lesson, source)
        for lesson in course.lessons()
        for kind in ("mutants", "styles")
        for source in sorted((ROOT / "harness" / kind / lesson.slug).glob("*.*"))
        if source.suffix in (".cpp", ".py")
    ]


def told(report: Report) -> str:
    """Every check that did not pass, as a student would read it."""
    return "\n".join(
        f"{check.status.value} {check.id}: {check.observed}; cause: {check.cause}"
        for check in report.checks
        if check.status is not Status.PASS
    )
