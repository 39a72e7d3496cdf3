"""What the lab remembers of a student: which hints were shown, and how far each lesson has come.

It is one file in the build folder: it belongs to this copy of the course and to nobody's
repository, needs no home folder, and goes when the copy goes.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field

from echolab import build, stubs
from echolab.course import Lesson, Step, lessons
from echolab.report import Report

FILE = build.DIRECTORY / "progress.json"


@dataclass
class Progress:
    """`hints`: how many were shown, by step; `scores`: the points of each step when it was last
    graded; `graded`: a sum of each lesson's source at that time."""

    hints: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    graded: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def load() -> "Progress":
        """What is remembered; nothing, where the file is not there or not readable."""
        try:
            return Progress(**json.loads(FILE.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Progress()

    def save(self) -> None:
        try:
            FILE.parent.mkdir(exist_ok=True)
            unfinished = FILE.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(vars(self), indent=1), encoding="utf-8")
            unfinished.replace(FILE)
        except OSError:
            pass  # nothing depends on it

    def next_hint(self, step: Step) -> str | None:
        """The next hint for the step, from now on remembered as shown; None after the last."""
        shown = self.hints.get(step.id, 0)
        if shown >= len(step.hints):
            return None
        self.hints[step.id] = shown + 1
        return step.hints[shown]

    def note(self, lesson: Lesson, report: Report) -> None:
        """Remembers what came of grading the student's own server."""
        self.scores |= {step.id: step.score for step in report.steps}
        if len(report.steps) == len(lesson.steps):
            self.graded[str(lesson.number)] = _sum(lesson)

    def done(self, step: Step) -> bool:
        return self.scores.get(step.id) == step.points

    def next_step(self, lesson: Lesson) -> Step | None:
        """The first step that has not all of its points; None after the last."""
        return next((step for step in lesson.steps if not self.done(step)), None)

    def current(self) -> Step | None:
        """The step that comes next in the course."""
        return next((step for lesson in lessons() if (step := self.next_step(lesson))), None)

    def summary(self, lesson: Lesson) -> tuple[str, ...]:
        """Of a lesson: its name, the steps that are done, the points, and what comes next."""
        return f"Lesson {lesson.number}, {lesson.title}", *self._state(lesson)

    def _state(self, lesson: Lesson) -> tuple[str, str, str]:
        step = self.next_step(lesson)
        after = f"next: {step.id} {step.title}" if step else "done"
        if stubs.untouched(lesson):
            return "not begun", "", f"next: {lesson.steps[0].id} {lesson.steps[0].title}"
        if not any(step.id in self.scores for step in lesson.steps):
            return "not graded yet", "", ""
        if step and self.graded.get(str(lesson.number)) != _sum(lesson):
            after += " (changed since it was graded)"
        finished = sum(self.done(step) for step in lesson.steps)
        points = sum(self.scores.get(step.id, 0) for step in lesson.steps)
        return f"{finished} of {len(lesson.steps)} steps", f"{points:g} points", after


def remember(lesson: Lesson, report: Report) -> None:
    """Notes what came of grading the student's own server, for the next time."""
    progress = Progress.load()
    progress.note(lesson, report)
    progress.save()


def _sum(lesson: Lesson) -> str:
    try:
        return hashlib.sha256(lesson.source().read_bytes()).hexdigest()
    except OSError:
        return ""
