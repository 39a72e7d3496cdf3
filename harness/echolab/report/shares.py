"""What each check is worth to a platform that knows tests and no steps, and what it says of one.

A step's points are shared among its checks by their weights.
"""

from collections.abc import Sequence

from echolab.plain import plain
from echolab.report import NOT_BEGUN, CheckResult, Report, Status, StepResult

TROUBLE = "The grader itself could not do its work. This does not count against you: please tell your instructor."
_MOST_TEXT = 4000  # characters of one text that a compiler or a server may have made long


def shares(step: StepResult) -> list[float]:
    """The points of each of the step's checks, to the hundredth; their sum is the step's points."""
    return [part / 100 for part in _divide(step.points * 100, [check.points for check in step.checks])]


def whole_shares(step: StepResult) -> list[int]:
    """Likewise in whole points, for a platform that has no others: a light check may be worth none."""
    return _divide(step.points, [check.points for check in step.checks])


def _divide(amount: int, weights: Sequence[int]) -> list[int]:
    """By the method of largest remainders."""
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    parts = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda k: -(amount * weights[k] % total))
    for k in by_remainder[: amount - sum(parts)]:
        parts[k] += 1
    return parts


def earns(step: StepResult, check: CheckResult) -> bool:
    """Whether the check's points are the student's: none are for a chapter that nobody has touched."""
    return check.status is Status.PASS and step.note != NOT_BEGUN


def name(step: StepResult, check: CheckResult) -> str:
    """The check's, with its step's number before it."""
    return plain(f"{step.id} {check.title}")


def explanation(step: StepResult, check: CheckResult) -> str:
    """What there is to say of a check, a line each: nothing of one that passed."""
    if check.status is Status.PASS:
        return step.note or ""
    if check.status is Status.ERROR:
        return clipped(f"{TROUBLE}\n{check.observed or ''}".strip())
    where = f"{check.where.file}:{check.where.line}" if check.where else None
    said = {
        "expected": check.expected,
        "observed": check.observed,
        "cause": check.cause,
        "where": where,
        "hint": check.hint,
        "read": check.docs,
    }
    lines = [f"{word}: {text}" for word, text in said.items() if text]
    return clipped("\n".join([*lines, *([f"note: {step.note}"] if step.note else [])]))


def summary(reports: Sequence[Report]) -> str:
    """A line for each lesson, and what its reader is told besides."""
    lines = []
    for report in reports:
        lines.append(f"Lesson {report.lesson}, {report.title}: {report.score:g} of {report.max_score} points")
        lines += report.notes
    return clipped("\n".join(lines), 4 * _MOST_TEXT)


def troubled(reports: Sequence[Report]) -> list[str]:
    """What the grader could not do, if anything: such a result is not to be counted."""
    return [clipped(check.observed or "") for report in reports for check in report.having(Status.ERROR)]


def clipped(text: str, most: int = _MOST_TEXT) -> str:
    """`text` made safe to show, and not longer than `most` characters."""
    shown = plain(text)
    end = "\n… and more, which is left out"
    return shown if len(shown) <= most else shown[: max(0, most - len(end))] + end
