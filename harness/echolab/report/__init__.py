"""The result of grading one server, and the forms it can be written in."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from echolab.witness import Event

if TYPE_CHECKING:
    from echolab.timeline import Timeline

SCHEMA = "echolab/report/v1"
NOT_BEGUN = "not begun"  # the note of a step whose chapter nobody has touched


class Status(str, Enum):
    """What came of a check."""

    PASS = "pass"
    FAIL = "fail"
    BLOCKED = "blocked"  # it could not be tried on this server
    ERROR = "error"  # the grader's own trouble


@dataclass(frozen=True)
class Where:
    """A place in a source file; `file` counts from the project's top folder."""

    file: str
    line: int


@dataclass
class CheckResult:
    """One check's verdict; the texts are set unless it passed. `about` is what it says of itself,
    `points` its weight within its step.

    Of a failed check that was explained, `events` are the last things the server did before the
    failure, `timeline` is what it and its clients did, and `rule` names what has found `where`; else
    `unexplained` says why not.
    """

    id: str
    title: str
    about: str
    area: str
    points: int
    status: Status = Status.BLOCKED
    seconds: float = 0.0
    expected: str | None = None
    observed: str | None = "not tried"
    cause: str | None = None
    where: Where | None = None
    hint: str | None = None
    docs: str | None = None
    events: tuple[Event, ...] = ()
    rule: str | None = None
    unexplained: str | None = None
    timeline: "Timeline | None" = field(default=None, repr=False, compare=False)


@dataclass
class StepResult:
    """One step: its score is the share of its points that its checks' weights earn; none, if its
    chapter is as it was handed out.

    `isolated`: some of its checks' verdicts come from the solution with only this chapter taken
    from the student; then `in_whole` is what failed in the student's whole server. `note` is what
    there is to say of the step as a whole.
    """

    id: str
    title: str
    points: int
    checks: list[CheckResult] = field(default_factory=list)
    isolated: bool = False
    in_whole: list[CheckResult] = field(default_factory=list)
    note: str | None = None

    @property
    def score(self) -> float:
        if self.note == NOT_BEGUN:
            return 0.0
        weights = sum(check.points for check in self.checks)
        earned = sum(check.points for check in self.checks if check.status is Status.PASS)
        return round(self.points * earned / weights, 2) if weights else 0.0

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.status is Status.PASS for check in self.checks)


@dataclass
class Report:
    """All that is known about one server and one lesson. `notes` are for the reader in front of the
    terminal: a compiler's message, markers that are missing. Not `whole`: steps that are right by
    themselves do not make a server that is. `broken` is why there was no server to run: a compiler's
    message, or that nothing was handed in."""

    lesson: int
    title: str
    server: str
    seconds: float = 0.0
    steps: list[StepResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    whole: bool = True
    broken: str | None = None

    @property
    def score(self) -> float:
        return round(sum(step.score for step in self.steps), 2)

    @property
    def max_score(self) -> int:
        return sum(step.points for step in self.steps)

    @property
    def checks(self) -> list[CheckResult]:
        return [check for step in self.steps for check in step.checks]

    def having(self, status: Status) -> list[CheckResult]:
        return [check for check in self.checks if check.status is status]
