"""The gradebook of a class as files: CSV for a spreadsheet, JSON for programs, a page for people."""

import base64
import csv
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from markupsafe import Markup

from echolab import output
from echolab.gradebook import Row
from echolab.report import html

PAGE = "gradebook.html"
SCHEMA = "echolab/gradebook/v1"
_MOST_FAILURES = 25  # that the page lists
_SCRIPT = Path(__file__).parent / "templates" / "sort.js"


def write(rows: list[Row], lessons: tuple[int, ...], out: Path) -> None:
    """Writes all of them to the folder `out`, and each student's report. Raises OSError."""
    folder = out / "students"
    folder.mkdir(exist_ok=True)
    links = {}
    for row in rows:
        if page := row.page:
            links[row.student] = f"{folder.name}/{_file_name(row.student)}"
            output.write_whole(out / links[row.student], page)
    output.write_whole(out / "gradebook.csv", as_csv(rows, lessons))
    output.write_whole(out / "gradebook.json", as_json(rows, lessons))
    output.write_whole(out / PAGE, as_page(rows, lessons, links))


def _file_name(student: str) -> str:
    """A name that is one wherever it is looked at, and no other student's."""
    plain = re.sub(r"[^\w.-]+", "-", student, flags=re.ASCII)[:60].strip("-.")
    return f"{plain or 'student'}-{hashlib.sha256(student.encode()).hexdigest()[:8]}.html"


def as_csv(rows: list[Row], lessons: tuple[int, ...]) -> str:
    """A line for each student: the points of each step, of each lesson, of all; and what went wrong."""
    steps = sorted({s["id"] for r in rows for report in r.reports.values() for s in report["steps"]}, key=_order)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["student", *steps, *(f"lesson {n}" for n in lessons), "score", "remarks"])
    for row in rows:
        scores = {s["id"]: s["score"] for report in row.reports.values() for s in report["steps"]}
        totals = [row.reports[n]["score"] if n in row.reports else "" for n in lessons]
        table.writerow(
            [_cell(row.student), *(scores.get(id, "") for id in steps), *totals,
             "" if row.trouble else row.score, _cell("; ".join(_remarks(row)))]
        )  # fmt: skip
    return text.getvalue()


def _remarks(row: Row) -> list[str]:
    """What there is to say of a student, in a line each: the reports say more."""
    found = [f"not graded: {row.trouble}"] if row.trouble else []
    found += row.said
    for lesson, notes in row.notes.items():
        for note in notes:
            line = note.splitlines()[0].removesuffix(":")
            server = row.reports[lesson]["server"]
            found.append(line.replace(server, f"lesson {lesson}") if server in line else f"lesson {lesson}: {line}")
    return found


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


# -- the page


@dataclass(frozen=True)
class _Bar:
    """How the class did in one step: the mean, and how many have all, some and none of its points."""

    id: str
    title: str
    points: float
    mean: float
    full: int
    none: int
    students: int

    @property
    def some(self) -> int:
        return self.students - self.full - self.none


@dataclass(frozen=True)
class _Failure:
    """A check that students fail, with what is most often the cause."""

    id: str
    title: str
    count: int
    cause: str


def as_page(rows: list[Row], lessons: tuple[int, ...], links: dict[str, str]) -> str:
    """For people: the students, sortable; how the class did in each step; where most have failed."""
    script = _SCRIPT.read_text(encoding="utf-8")
    graded = [row for row in rows if not row.trouble]
    most = max((sum(r["max_score"] for r in row.reports.values()) for row in graded), default=0)
    return html.page(
        "gradebook.html",
        rows=rows,
        lessons=lessons,
        links=links,
        remarks={row.student: _remarks(row) for row in rows},
        most=most,
        mean=fmean(row.score for row in graded) if graded else None,
        median=median(row.score for row in graded) if graded else None,
        tenths=_tenths([row.score for row in graded], most),
        bars=_bars(graded),
        failures=_failures(graded),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _tenths(scores: list[float], most: float) -> list[int]:
    """How many students have 0–10 % of the points, 10–20 %, …, 90–100 %."""
    counts = Counter(min(9, int(10 * score / most)) for score in scores if most)
    return [counts[n] for n in range(10)]


def _bars(rows: list[Row]) -> list[_Bar]:
    by_id: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        for report in row.reports.values():
            for step in report["steps"]:
                by_id[step["id"]].append(step)
    return [
        _Bar(
            id,
            steps[0]["title"],
            steps[0]["points"],
            fmean(step["score"] for step in steps),
            sum(step["score"] >= step["points"] for step in steps),
            sum(step["score"] == 0 for step in steps),
            len(steps),
        )
        for id, steps in sorted(by_id.items(), key=lambda item: _order(item[0]))
    ]


def _failures(rows: list[Row]) -> list[_Failure]:
    causes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in rows:
        for report in row.reports.values():
            for check in (check for step in report["steps"] for check in step["checks"]):
                if check["status"] == "fail":
                    causes[check["id"], check["title"]][check["cause"]] += 1
    found = [
        _Failure(id, title, counts.total(), counts.most_common(1)[0][0])
        for (id, title), counts in causes.items()
    ]
    return sorted(found, key=lambda failure: (-failure.count, failure.id))[:_MOST_FAILURES]
