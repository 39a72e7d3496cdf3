"""A Report as PrairieLearn's results.json: a test a check, and a score between 0 and 1.

What does not build is "not gradable": it costs the student no attempt. The form: PrairieLearn's
documentation, "External grading"; prairielearn.schema.json holds what we use of it.
"""

import json
from typing import Any

from echolab.report import CheckResult, Report, StepResult
from echolab.report.shares import TROUBLE, clipped, earns, explanation, name, shares, summary, troubled

_MOST_TEXT = 200_000  # characters in all: PrairieLearn takes no file above 1 MB


def as_data(reports: list[Report]) -> dict[str, Any]:
    """The results as plain data. Every test has points: one without would hide all points."""
    if trouble := troubled(reports):
        return not_gradable([TROUBLE, *trouble])
    broken = [clipped(report.broken) for report in reports if report.broken]
    if broken and len(broken) == len(reports):
        return not_gradable(broken)
    most = sum(report.max_score for report in reports)
    score = sum(report.score for report in reports) / most if most else 0.0
    tests = [
        _test(step, check, share)
        for report in reports
        for step in report.steps
        for check, share in zip(step.checks, shares(step), strict=True)
    ]
    while tests and sum(len(test["output"]) for test in tests) > _MOST_TEXT:
        longest = max(tests, key=lambda test: len(test["output"]))
        longest["output"] = clipped(longest["output"], len(longest["output"]) // 2)
    return {"gradable": True, "score": round(score, 4), "message": summary(reports), "tests": tests}


def not_gradable(errors: list[str]) -> dict[str, Any]:
    """A submission that cannot be graded, for the reasons given."""
    return {"gradable": False, "format_errors": errors}


def _test(step: StepResult, check: CheckResult, share: float) -> dict[str, Any]:
    return {
        "name": name(step, check),
        "description": check.about,
        "points": share if earns(step, check) else 0.0,
        "max_points": share,
        "message": "",
        "output": explanation(step, check),
    }


def write(reports: list[Report]) -> str:
    """All reports in one document."""
    return json.dumps(as_data(reports), indent=2, ensure_ascii=False) + "\n"
