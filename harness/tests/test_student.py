"""A student at work, in a copy of the course: what each step is worth while others are unfinished."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from echolab import course, stubs
from echolab.isolation import Isolation
from echolab.report import CheckResult, Report, Status, StepResult

NOT_COPIED = (".git", "build", "node_modules", "__pycache__")


class Student:
    """Somebody's copy of the course, in which a lesson is worked on with the lab's verbs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lesson = course.lessons()[0]

    def lab(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "echolab", *arguments],
            env=os.environ | {"PYTHONPATH": str(self.root / "harness"), "COLUMNS": "120"},
            cwd=self.root,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def check(self, what: str = "1") -> dict[str, Any]:
        """The steps of a report by their ids, and its score as "score"."""
        done = self.lab("check", what, "--json", "-")
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        return {step["id"]: step for step in report["steps"]} | {"score": report["score"], "said": done.stderr}

    @property
    def source(self) -> Path:
        return self.root / self.lesson.source().relative_to(course.ROOT)

    @property
    def finished(self) -> str:
        return self.lesson.source(solutions=True).read_text(encoding="utf-8")

    def writes(self, text: str) -> None:
        self.source.write_text(text, encoding="utf-8")

    def edits(self, step: int, change: Callable[[str], str], text: str | None = None) -> None:
        """Changes one chapter of `text`, which is else what stands in the file."""
        text = self.source.read_text(encoding="utf-8") if text is None else text
        chapter = re.compile(rf"(?s)(// #region step-{step}\n)(.*)(// #endregion step-{step}\n)")
        self.writes(chapter.sub(lambda found: found[1] + change(found[2]) + found[3], text))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("a student's") / "course"
    shutil.copytree(course.ROOT, root, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return root


@pytest.fixture
def student(copy: Path) -> Iterator[Student]:
    someone = Student(copy)
    before = someone.source.read_bytes()
    yield someone
    someone.source.write_bytes(before)


def ends_at_once(chapter: str) -> str:
    return re.sub(r"(?m)^int accept_client\(int listener\) \{$", r"\g<0>\n  return -1;", chapter)


def test_steps_behind_a_failed_one_have_their_points(student: Student) -> None:
    student.edits(2, ends_at_once, student.finished)
    steps = student.check()
    assert steps["1.2"]["score"] == 0
    for id in ("1.3", "1.4", "1.5", "1.6"):
        assert steps[id]["score"] == steps[id]["points"]
        assert steps[id]["isolated"] and steps[id]["note"] == "right by itself; held up by step 1.2"
    assert steps["score"] == 100 - steps["1.2"]["points"]
    assert "right by itself; held up by step 1.2" in steps["said"]


def test_what_is_known_of_a_chapter_is_not_found_out_again(student: Student) -> None:
    student.edits(2, ends_at_once, student.finished)
    student.check()
    kept = sorted((student.root / "build" / "verdicts").iterdir())
    known = {path: path.stat().st_mtime_ns for path in kept}
    binary = student.root / "build" / "solutions" / student.lesson.slug / "only-4"
    built = binary.stat().st_mtime_ns
    # An earlier chapter grows, so the others stand elsewhere; and one of them is new.
    student.edits(2, lambda chapter: ends_at_once("// Later.\n" + chapter), student.finished)
    student.edits(6, lambda chapter: chapter + "// Done.\n")
    assert student.check()["score"] == 100 - student.lesson.step(2).points
    after = {path: path.stat().st_mtime_ns for path in (student.root / "build" / "verdicts").iterdir()}
    assert known.items() <= after.items() and len(after) == len(known) + 2
    assert binary.stat().st_mtime_ns == built


def test_a_chapter_that_does_not_compile_costs_only_itself(student: Student) -> None:
    student.edits(3, lambda chapter: "int wrong = ;\n" + chapter, student.finished)
    steps = student.check()
    assert steps["score"] == 100 - student.lesson.step(3).points
    assert steps["1.3"]["note"] == "does not compile by itself"
    assert all(check["status"] == "blocked" for check in steps["1.3"]["checks"])
    assert re.search(r"lessons/1-single-process/server.cpp:\d+:13: error: ", steps["1.3"]["checks"][0]["observed"])
    assert steps["1.4"]["note"] == "right by itself; held up by step 1.3"


def test_markers_that_were_removed_cost_only_their_step(student: Student) -> None:
    student.edits(2, ends_at_once, student.finished.replace("// #endregion step-3\n", ""))
    steps = student.check()
    assert steps["1.3"]["note"] == "its #region markers are missing"
    assert steps["score"] == 100 - sum(student.lesson.step(number).points for number in (2, 3))
    assert "step 4 begins inside step 3; put the marker back" in steps["said"]


def test_headers_that_a_chapter_needs_are_taken_with_it(student: Student) -> None:
    student.edits(2, ends_at_once, '#include <numbers>\n' + student.finished)
    student.edits(4, lambda chapter: "static const double two = 2 * std::numbers::pi / std::numbers::pi;\n" + chapter)
    assert student.check()["1.4"]["score"] == student.lesson.step(4).points


def test_chapters_that_do_not_fit_together_do_not_pass(student: Student) -> None:
    def with_helper(value: int) -> Callable[[str], str]:
        return lambda chapter: f"int helper() {{ return {value}; }}\n" + chapter

    student.edits(3, with_helper(3), student.finished)
    student.edits(5, with_helper(5))
    done = student.lab("check", "1")
    assert done.returncode == 1
    assert "100 of 100 points" in done.stdout
    assert "right by itself, but not together with the other chapters" in done.stdout


def test_one_step_that_is_right_by_itself_passes(student: Student) -> None:
    student.edits(2, ends_at_once, student.finished)
    done = student.lab("check", "1.4")
    assert done.returncode == 0
    assert "right by itself; held up by another step" in done.stdout


def test_what_nobody_has_touched_is_not_graded_by_itself(student: Student) -> None:
    steps = student.check()
    notes = {steps[step.id]["note"] for step in student.lesson.steps}
    assert notes == {"not begun"} and steps["score"] == 0


def test_without_the_solutions_the_whole_server_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = course.lessons()[0]
    step = StepResult("1.1", "A step", 16, [CheckResult("1.1.a", "A", "", "echo", 1, Status.FAIL)])
    report = Report(1, "single process", "server.cpp", steps=[step])
    monkeypatch.setattr(stubs, "chapters", lambda lesson: {})
    here = course.Lesson.source
    monkeypatch.setattr(
        course.Lesson, "source", lambda lesson, solutions=False: Path("/nowhere") if solutions else here(lesson)
    )
    Isolation(lesson, lambda lesson, step: []).isolate(report, lambda text: None)
    assert report.score == 0 and not step.isolated
    assert report.notes == ["Steps are not graded by themselves as well: the solutions are not here."]
