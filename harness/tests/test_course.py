"""The course checks itself: stubs fail, solutions pass, and each step's executable is what it says."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import step_binaries

from echolab import build, stubs
from echolab.course import ROOT, Lesson, UnknownLesson, find, lessons
from echolab.grading import Target, grade, own_command
from echolab.regions import read_regions
from echolab.report import Status
from echolab.server import Command

each_lesson = pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.slug)


def pristine(lesson: Lesson) -> bool:
    """Whether the lesson is as it was handed out: a student's progress is no failure of the course."""
    if stubs.untouched(lesson) or not shutil.which("git"):
        return stubs.untouched(lesson)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", str(lesson.source())],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return not changed.returncode and not changed.stdout


@each_lesson
def test_the_points_of_a_lesson_are_100(lesson: Lesson) -> None:
    assert sum(step.points for step in lesson.steps) == 100


@each_lesson
def test_every_step_has_a_goal_and_two_or_three_hints(lesson: Lesson) -> None:
    for step in lesson.steps:
        assert step.goal and step.functions
        assert 2 <= len(step.hints) <= 3 and all(step.hints)


@each_lesson
def test_every_step_sends_the_reader_to_a_heading_that_exists(lesson: Lesson) -> None:
    for step in lesson.steps:
        path, _, anchor = step.docs.partition("#")
        assert anchor in headings(ROOT / path), step.docs


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@each_lesson
def test_lesson_and_solution_have_the_same_chapters(lesson: Lesson) -> None:
    numbers = [step.number for step in lesson.steps]
    for solutions in (False, True):
        regions = read_regions(lesson.source(solutions))
        assert list(regions) == numbers
        for step in lesson.steps:
            text = "\n".join(regions[step.number].lines)
            assert all(re.search(rf"\b{name}\b", text) for name in step.functions)
            if solutions or pristine(lesson):
                assert (f"TODO(step {step.number})" in text) is not solutions


@each_lesson
def test_what_was_handed_out_is_known(lesson: Lesson) -> None:
    if not pristine(lesson):
        pytest.skip("the lesson has been worked on")
    assert stubs.untouched(lesson), "sha256sum lessons/*/server.cpp > harness/stubs.sha256"


@each_lesson
def test_the_stub_compiles_without_a_warning(lesson: Lesson) -> None:
    if not pristine(lesson):
        pytest.skip("the lesson has been worked on")
    build.build(build.WARDEN)
    source = f"../{lesson.source().relative_to(ROOT)}"
    entries = json.loads((build.DIRECTORY / "compile_commands.json").read_text(encoding="utf-8"))
    entry = next(entry for entry in entries if entry["file"] == source)
    words = shlex.split(entry["command"])
    command = [*words[: words.index("-MD")], "-Werror", "-fsyntax-only", source]
    done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@each_lesson
def test_the_stub_fails_every_step_and_each_failure_is_explained(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pristine(lesson):
        pytest.skip("the lesson has been worked on")
    # As if the chapters were somebody's work: by themselves, in the finished server, they fail as well.
    monkeypatch.setattr(stubs, "chapters", lambda lesson: {})
    report = grade(Target(lesson))
    assert report.score < report.max_score
    assert all(step.score < step.points for step in report.steps)
    assert not any("right by itself" in (step.note or "") for step in report.steps)
    for check in report.having(Status.FAIL):
        assert check.expected and check.observed and check.cause
        assert check.where and check.hint and check.docs


@each_lesson
def test_the_solution_has_all_points_and_each_hint_for_a_check_its_check(lesson: Lesson) -> None:
    report = grade(Target(lesson, solutions=True))
    with_hints = {f"{step.id}.{name}" for step in lesson.steps for name in step.hint_for}
    assert with_hints <= {check.id for check in report.checks}
    assert {c.id: c.observed for c in report.checks if c.status is not Status.PASS} == {}
    assert report.score == report.max_score == 100


@each_lesson
def test_each_steps_executable_passes_exactly_its_steps(lesson: Lesson) -> None:
    if not pristine(lesson):
        pytest.skip("the lesson has been worked on: its steps are made of its chapters too")
    binaries = step_binaries(lesson)
    build.build(*binaries)
    for number, binary in enumerate(binaries, 1):
        options = " ".join(own_command(binary, lesson)[1:])
        target = Target(lesson, command=Command.parse(f"'{binary}' {options}"))
        report = grade(target, explain=False)  # verdicts alone: the witness changes none
        complete = [step.id for step in report.steps if step.score == step.points]
        assert complete == [step.id for step in lesson.steps[:number]], binary
        assert not report.having(Status.ERROR)


@pytest.mark.parametrize("text", ["0", "7", "1.0", "1.99", "x", "", "1.", "-1"])
def test_an_unknown_lesson_or_step_is_refused(text: str) -> None:
    with pytest.raises(UnknownLesson):
        find(text)


def without_comments(path: Path) -> str:
    """JSON as editors write it, made JSON."""
    return re.sub(r"(?m)^\s*//.*$", "", path.read_text(encoding="utf-8"))


def test_the_editor_builds_and_debugs_what_there_is() -> None:
    build.build(build.WARDEN)
    launch = json.loads(without_comments(ROOT / ".vscode" / "launch.json"))
    tasks = json.loads(without_comments(ROOT / ".vscode" / "tasks.json"))
    labels = {task["label"] for task in tasks["tasks"]}
    assert {c["preLaunchTask"] for c in launch["configurations"] if "preLaunchTask" in c} <= labels
    options = {made["id"]: made.get("options") for made in launch["inputs"]}
    assert options["lesson"] == [str(lesson.number) for lesson in lessons()]
    assert len(options["step"] or []) == max(len(lesson.steps) for lesson in lessons())
    targets = (build.DIRECTORY / "build.ninja").read_text(encoding="utf-8")
    texts = [task["command"].split()[-1] for task in tasks["tasks"] if "ninja" in task["command"]]
    texts += [c["program"].removeprefix("${workspaceFolder}/build/") for c in launch["configurations"] if "program" in c]
    assert texts
    for text in texts:
        for lesson in lessons():
            folder = lesson.source().parent.relative_to(ROOT)
            assert f"build {text.replace('${relativeFileDirname}', str(folder))}: " in targets


def test_the_container_is_set_up_by_the_launcher() -> None:
    container = json.loads(without_comments(ROOT / ".devcontainer" / "devcontainer.json"))
    assert container["postCreateCommand"].startswith("harness/lab ")
    recommended = json.loads((ROOT / ".vscode" / "extensions.json").read_text(encoding="utf-8"))
    assert container["customizations"]["vscode"]["extensions"] == recommended["recommendations"]


def test_clangd_finds_how_each_file_is_compiled() -> None:
    build.build(build.WARDEN)
    folder = re.search(r"CompilationDatabase: (\S+)", (ROOT / ".clangd").read_text(encoding="utf-8"))
    assert folder
    entries = json.loads((ROOT / folder[1] / "compile_commands.json").read_text(encoding="utf-8"))
    known = {(Path(entry["directory"]) / entry["file"]).resolve() for entry in entries}
    assert {lesson.source(solutions) for lesson in lessons() for solutions in (False, True)} <= known
