"""A Report as Classroom 50's result.json (classroom50/result/v1): whole points, a test a check.

Who submitted what comes from the environment that Classroom 50's runner sets. The form:
foundation50/classroom50, schemas/result-v1.schema.json.
"""

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from echolab.report import CheckResult, Report, StepResult
from echolab.report.shares import earns, explanation, name, whole_shares


def as_data(reports: list[Report], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The results as plain data. What the environment does not say is filled in as for a run by hand."""
    tests = [
        _test(step, check, share)
        for report in reports
        for step in report.steps
        for check, share in zip(step.checks, whole_shares(step), strict=True)
    ]
    identity = _identity(environment)
    return {
        "schema": "classroom50/result/v1",
        **identity,
        "datetime": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def _identity(environment: Mapping[str, str]) -> dict[str, str]:
    def first(*names: str, otherwise: str) -> str:
        return next((environment[name] for name in names if environment.get(name)), otherwise)

    repository = first("GITHUB_REPOSITORY", otherwise="nobody/echo-lab")
    page = f"{first('GITHUB_SERVER_URL', otherwise='https://github.com')}/{repository}"
    commit = first("COMMIT_URL", otherwise=f"{page}/commit/{first('GITHUB_SHA', otherwise='HEAD')}")
    return {
        "classroom": first("CLASSROOM", otherwise="echo-lab"),
        "assignment": first("ASSIGNMENT", otherwise="echo-lab"),
        "assignment_type": first("ASSIGNMENT_TYPE", otherwise="individual"),
        "owner": first("OWNER", "USERNAME", "GITHUB_ACTOR", otherwise="nobody"),
        "submission": first("SUBMISSION_TAG", otherwise="submit/by-hand"),
        "commit": commit,
        "release": first("RELEASE_URL", otherwise=f"{page}/releases"),
        "review": first("REVIEW_URL", otherwise=commit),
    }


def _test(step: StepResult, check: CheckResult, share: int) -> dict[str, Any]:
    passed = earns(step, check)
    test = {
        "test-name": name(step, check),
        "passed": passed,
        "score": share if passed else 0,
        "max-score": share,
    }
    return test | ({} if passed else {"message": explanation(step, check)})


def write(reports: list[Report]) -> str:
    """All reports in one document."""
    return json.dumps(as_data(reports), indent=2, ensure_ascii=False) + "\n"
