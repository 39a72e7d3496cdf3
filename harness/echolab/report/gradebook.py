"""The gradebook of a class as files: CSV for a spreadsheet, JSON for programs, a page for people."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from echolab.gradebook import Row

PAGE = "gradebook.html"
SCHEMA = "echolab/gradebook/v1"


def write(rows: list[Row], lessons: tuple[int, ...], out: Path) -> None:
    """Writes all of them to the folder `out`. Raises OSError."""
    (out / "gradebook.csv").write_text(as_csv(rows, lessons), encoding="utf-8", newline="")
    (out / "gradebook.json").write_text(as_json(rows, lessons), encoding="utf-8")


def as_csv(rows: list[Row], lessons: tuple[int, ...]) -> str:
    """A line for each student: the points of each step, of each lesson, of all; and what went wrong."""
    steps = sorted({s["id"] for r in rows for report in r.reports.values() for s in report["steps"]}, key=_order)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["student", *steps, *(f"lesson {n}" for n in lessons), "score", "remarks"])
    for row in rows:
        scores = {s["id"]: s["score"] for report in row.reports.values() for s in report["steps"]}
        totals = [row.reports[n]["score"] if n in row.reports else "" for n in lessons]
        remarks = "; ".join([*([f"not graded: {row.trouble}"] if row.trouble else []), *row.said])
        table.writerow(
            [_cell(row.student), *(scores.get(id, "") for id in steps), *totals,
             "" if row.trouble else row.score, _cell(remarks)]
        )  # fmt: skip
    return text.getvalue()


def _order(step: str) -> tuple[int, ...]:
    return tuple(map(int, step.split(".")))


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if re.match(r"[=+\-@\t\r]", text) else text


def as_json(rows: list[Row], lessons: tuple[int, ...]) -> str:
    """All that is known: the reports are in the form of report.schema.json."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "lessons": list(lessons),
        "students": [
            {
                "student": row.student,
                "score": None if row.trouble else row.score,
                "trouble": row.trouble,
                "remarks": row.said,
                "reports": list(row.reports.values()),
                "notes": {str(lesson): notes for lesson, notes in row.notes.items() if notes},
            }
            for row in rows
        ],
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
