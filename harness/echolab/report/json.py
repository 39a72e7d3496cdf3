"""A Report as JSON, in the form that report.schema.json fixes."""

import json
from dataclasses import asdict
from typing import Any

from echolab.report import SCHEMA, CheckResult, Report

_FOR_US = ("about", "points", "events", "timeline", "rule", "unexplained")


def as_data(report: Report) -> dict[str, Any]:
    """The report as plain data, keys in the schema's order."""
    return {
        "schema": SCHEMA,
        "lesson": report.lesson,
        "server": report.server,
        "score": report.score,
        "max_score": report.max_score,
        "seconds": round(report.seconds, 3),
        "steps": [
            {
                "id": step.id,
                "title": step.title,
                "points": step.points,
                "score": step.score,
                **({"isolated": True} if step.isolated else {}),
                **({"note": step.note} if step.note else {}),
                "checks": [_check(check) for check in step.checks],
            }
            for step in report.steps
        ],
    }


def _check(check: CheckResult) -> dict[str, Any]:
    data = vars(check) | {"status": check.status.value, "seconds": round(check.seconds, 3)}
    data["where"] = asdict(check.where) if check.where else None
    return {name: value for name, value in data.items() if name not in _FOR_US}


def write(reports: list[Report]) -> str:
    """One report as an object; several as an array."""
    data = [as_data(report) for report in reports]
    return json.dumps(data[0] if len(data) == 1 else data, indent=2, ensure_ascii=False) + "\n"
