"""The words a check is written in: check, expect, and what they raise."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn

AREAS = (
    "startup", "echo", "concurrency", "eintr", "zombies", "fds", "threads", "slots", "pool", "cpu",
    "robustness", "shutdown",
)  # fmt: skip


class Failed(Exception):
    """The server did not do what the check expects of it; `line` in the graded file, if it is known."""

    def __init__(self, expected: str, observed: str, cause: str, line: int | None = None) -> None:
        super().__init__(f"expected: {expected}\nobserved: {observed}\ncause: {cause}")
        self.expected, self.observed, self.cause, self.line = expected, observed, cause, line


class Blocked(Exception):
    """The check could not be tried on this server; the text says why."""


class GraderTrouble(Exception):
    """The grader could not do its own work; never counted against a student."""


@dataclass(frozen=True)
class Outcome:
    """What came of waiting for something: whether it happened, and what was seen when it did not.

    `cause` is set where the observation itself tells the cause better than the check can.
    """

    ok: bool
    observed: str = ""
    cause: str | None = None
    value: Any = None

    def __bool__(self) -> bool:
        return self.ok


def expect(outcome: Outcome, expected: str, cause: str) -> Any:
    """The value of `outcome`, if what the check expects came true; else raises Failed."""
    if not outcome.ok:
        raise Failed(expected, outcome.observed, outcome.cause or cause)
    return outcome.value


def fail(expected: str, observed: str, cause: str, line: int | None = None) -> NoReturn:
    """Raises Failed, for what is seen at a glance and not waited for."""
    raise Failed(expected, observed, cause, line)


@dataclass(frozen=True)
class Check:
    """What a check says of itself; its title and explanation are its name and docstring."""

    step: int
    area: str
    points: int
    needs_source: bool = False
    long: bool = False


def check(
    *, step: int, area: str, points: int, needs_source: bool = False, long: bool = False
) -> Callable[[Callable], Callable]:
    """Makes a function a check: pytest collects it, and `points` weigh it within its step.

    One that needs the source is not asked of a program that somebody else has built. A long one, which
    waits for a second, begins before the others that can run beside it.
    """
    if area not in AREAS:
        raise ValueError(f"no such area: {area}")

    def mark(function: Callable) -> Callable:
        # A function of its own: several lessons may ask for the same behaviour.
        @wraps(function)
        def marked(**fixtures: Any) -> None:
            function(**fixtures)

        marked.check = Check(step, area, points, needs_source, long)  # type: ignore[attr-defined]
        marked.__test__ = True  # type: ignore[attr-defined]
        return marked

    return mark
