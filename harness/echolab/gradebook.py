"""The gradebook of a class: an SQLite file that each result is written to as it comes.

A transaction is a submission: whenever the power goes, the file holds whole results only.
"""

import fcntl
import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from echolab.submission import Graded, Settings, Submission
from echolab.verdict import GraderTrouble

NAME = "gradebook.sqlite"
_VERSION = 1  # of the tables below; SQLite keeps it as user_version
_TABLES = """
CREATE TABLE submission (
    student TEXT PRIMARY KEY,
    digest  TEXT NOT NULL,   -- of what was handed in, and of what was asked for
    notes   TEXT NOT NULL,   -- JSON: what collecting it had to say
    page    BLOB NOT NULL,   -- compressed: the reports for a reader, as HTML
    trouble TEXT             -- of the grader: it is graded again
);
CREATE TABLE report (
    student TEXT NOT NULL REFERENCES submission ON DELETE CASCADE,
    lesson  INTEGER NOT NULL,
    score   REAL NOT NULL,
    max     REAL NOT NULL,
    report  TEXT NOT NULL,   -- JSON, in the form of report.schema.json
    notes   TEXT NOT NULL,   -- JSON: what the reader in front of a terminal is told besides
    PRIMARY KEY (student, lesson)
);
"""


@dataclass(frozen=True)
class Row:
    """One student's results; `reports` and `notes` are by lesson."""

    student: str
    said: list[str]
    packed: bytes  # the page: of a whole class they are large
    trouble: str | None
    reports: dict[int, dict[str, Any]]
    notes: dict[int, list[str]]

    @property
    def page(self) -> str:
        """All reports for a reader, as HTML."""
        return zlib.decompress(self.packed).decode()

    @property
    def score(self) -> float:
        return round(sum(report["score"] for report in self.reports.values()), 2)


class Gradebook:
    """An open gradebook. Its methods raise GraderTrouble if the file cannot be read or written."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def digests(self) -> dict[str, str]:
        """By student what the results that are in are of."""
        with _explained():
            rows = self._database.execute("SELECT student, digest FROM submission WHERE trouble IS NULL")
            return dict(rows.fetchall())

    def students(self) -> set[str]:
        with _explained():
            return {student for (student,) in self._database.execute("SELECT student FROM submission")}

    def record(self, submission: Submission, digest: str, graded: Graded) -> None:
        """Puts one student's results in the place of those that were there."""
        with _explained(), self._database as write:
            write.execute("DELETE FROM submission WHERE student = ?", (submission.student,))
            write.execute(
                "INSERT INTO submission VALUES (?, ?, ?, ?, ?)",
                (
                    submission.student, digest, json.dumps(submission.notes),
                    zlib.compress(graded.page.encode()), graded.trouble,
                ),  # fmt: skip
            )
            for lesson, report in graded.reports.items():
                write.execute(
                    "INSERT INTO report VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        submission.student, lesson, report["score"], report["max_score"],
                        json.dumps(report), json.dumps(graded.notes[lesson]),
                    ),
                )  # fmt: skip

    def keep_only(self, students: set[str]) -> None:
        """Forgets whoever is not in the class any more."""
        with _explained(), self._database as write:
            gone = [(student,) for student in self.students() - students]
            write.executemany("DELETE FROM submission WHERE student = ?", gone)

    def rows(self) -> Iterator[Row]:
        """Every student's results, by name."""
        with _explained():
            submissions = self._database.execute(
                "SELECT student, notes, page, trouble FROM submission ORDER BY student"
            ).fetchall()
            for student, said, page, trouble in submissions:
                reports = self._database.execute(
                    "SELECT lesson, report, notes FROM report WHERE student = ? ORDER BY lesson", (student,)
                ).fetchall()
                yield Row(
                    student,
                    json.loads(said),
                    page,
                    trouble,
                    {lesson: json.loads(report) for lesson, report, _ in reports},
                    {lesson: json.loads(notes) for lesson, _, notes in reports},
                )


@contextmanager
def opened(folder: Path) -> Iterator[Gradebook]:
    """The gradebook in `folder`, made if there is none; nobody else has it open. Raises GraderTrouble."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w", encoding="ascii")
    except OSError as error:
        raise GraderTrouble(f"cannot write to {folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GraderTrouble(f"another lab is writing to {folder}") from None
        with _explained():
            database = sqlite3.connect(folder / NAME)
        try:
            with _explained():
                _bring_up(database, folder / NAME)
            yield Gradebook(database)
        finally:
            database.close()


def _bring_up(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise GraderTrouble(f"{path} is from a newer Echo Lab (version {version} of its tables, ours is {_VERSION})")
    database.execute("PRAGMA foreign_keys = ON")
    if version == 0:
        database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise GraderTrouble(f"the gradebook: {error}; what is in it stays, and --resume goes on from there") from error


def digest(submission: Submission, settings: Settings) -> str:
    """Tells whether a submission has been graded as it is, and as it is asked for."""
    found = hashlib.sha256(repr(settings.lessons).encode())
    for lesson, files in sorted(submission.files.items()):
        for name, text in sorted(files.items()):
            found.update(f"{lesson}/{name} {len(text)}\n".encode() + text)
    return found.hexdigest()
