"""Packages hold what they should and nothing else, and what a platform is told keeps to its form."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import Lab

from echolab import course, exporting, platforms, regions, stubs
from echolab.exporting import NotExported, Order, export
from echolab.report import NOT_BEGUN, CheckResult, Report, Status, StepResult, Where
from echolab.report.platforms import PLATFORMS
from echolab.report.shares import shares, whole_shares
from echolab.submission import Graded, Settings, Submission

SCHEMAS = {
    name: json.loads((Path(module.__file__).parent / f"{name}.schema.json").read_text(encoding="utf-8"))
    for name, module in PLATFORMS.items()
}
FIRST = course.lessons()[0]


# -- the forms


def check(status: Status, points: int = 1, **texts: Any) -> CheckResult:
    return CheckResult("1.1.it_works", "It works", "It does.", "echo", points, status, **texts)


def report(*checks: CheckResult, points: int = 20, **more: Any) -> Report:
    return Report(1, "a lesson", "server.cpp", 1.5, [StepResult("1.1", "a step", points, list(checks))], **more)


FAILED = check(
    Status.FAIL, 2, expected="a\x1b[31m byte", observed="\ud800 nothing", cause="why", where=Where("server.cpp", 3), hint="h"
)
REPORTS = {
    "right": report(check(Status.PASS)),
    "wrong": report(FAILED, check(Status.PASS), check(Status.BLOCKED)),
    "broken": report(check(Status.BLOCKED), broken="server.cpp does not compile:\nserver.cpp:1:1: error: no"),
    "troubled": report(check(Status.ERROR, observed="no memory")),
    "without checks": report(),
}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("kind", REPORTS)
def test_every_result_keeps_to_its_schema(platform: str, kind: str) -> None:
    for reports in ([REPORTS[kind]], [REPORTS[kind], REPORTS["right"]]):
        text = PLATFORMS[platform].write(reports)
        jsonschema.validate(json.loads(text.encode("utf-8")), SCHEMAS[platform])
        assert "\x1b" not in text


def test_points_are_shared_without_a_rest() -> None:
    for weights in ([1, 1, 1], [3, 1], [5], [1] * 7, [100, 1, 1]):
        step = StepResult("1.1", "a step", 22, [check(Status.PASS, weight) for weight in weights])
        assert round(sum(shares(step)), 2) == sum(whole_shares(step)) == 22


def test_a_failure_is_told_with_its_reasons_and_its_points() -> None:
    failed, passed, _ = PLATFORMS["gradescope"].as_data([REPORTS["wrong"]])["tests"]
    assert (failed["score"], failed["max_score"], failed["status"]) == (0, 10, "failed")
    assert failed["output"].splitlines() == [
        "expected: a byte", "observed: \\ud800 nothing", "cause: why", "where: server.cpp:3", "hint: h",
    ]  # fmt: skip
    assert (passed["score"], passed["status"], passed["output"]) == (5, "passed", "")


def test_a_chapter_that_nobody_has_touched_earns_nothing() -> None:
    untouched = report(check(Status.PASS))
    untouched.steps[0].note = NOT_BEGUN
    assert PLATFORMS["gradescope"].as_data([untouched])["tests"][0]["score"] == 0
    assert PLATFORMS["classroom50"].as_data([untouched], {})["score"] == 0
    assert PLATFORMS["prairielearn"].as_data([untouched])["score"] == 0


def test_prairielearn_takes_no_attempt_for_what_does_not_build() -> None:
    data = PLATFORMS["prairielearn"].as_data([REPORTS["broken"]])
    assert data["gradable"] is False and "error: no" in data["format_errors"][0]


def test_prairielearn_takes_no_attempt_for_the_graders_trouble() -> None:
    data = PLATFORMS["prairielearn"].as_data([REPORTS["troubled"]])
    assert data["gradable"] is False and "does not count against you" in data["format_errors"][0]


def test_a_result_for_prairielearn_is_small() -> None:
    long = report(*[check(Status.FAIL, observed="é" * 100_000, expected="x" * 100_000, cause="y") for _ in range(300)])
    assert len(PLATFORMS["prairielearn"].write([long]).encode()) < 1_000_000


def test_classroom50_takes_who_submitted_from_the_environment() -> None:
    names = {
        "CLASSROOM": "net", "ASSIGNMENT": "lab", "ASSIGNMENT_TYPE": "group", "OWNER": "ada", "SUBMISSION_TAG": "submit/1",
        "COMMIT_URL": "https://c", "RELEASE_URL": "https://r", "REVIEW_URL": "https://v",
    }  # fmt: skip
    data = PLATFORMS["classroom50"].as_data([REPORTS["right"]], names)
    assert [data[name] for name in ("classroom", "assignment", "assignment_type", "owner", "submission")] == [
        "net", "lab", "group", "ada", "submit/1",
    ]  # fmt: skip
    assert [data[name] for name in ("commit", "release", "review")] == ["https://c", "https://r", "https://v"]


def test_lab_check_writes_all_three(lab: Lab, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.json" for name in PLATFORMS}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    assert lab("check", "1.2", "--solutions", *options).returncode == 0
    for name, file in files.items():
        data = json.loads(file.read_text(encoding="utf-8"))
        jsonschema.validate(data, SCHEMAS[name])
        assert data["score"] in (1, FIRST.step(2).points)


# -- one submission


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Submission, Settings]]:
    """What was to be graded, by a grader that takes no time and finds all wrong."""
    asked: list[tuple[Submission, Settings]] = []

    def grade(submission: Submission, settings: Settings) -> Graded:
        asked.append((submission, settings))
        assert settings.platform
        return Graded(result=PLATFORMS[settings.platform].as_data([REPORTS["wrong"]]))

    monkeypatch.setattr(platforms, "grade_submission", grade)
    return asked


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_submission_becomes_a_result_file(platform: str, graded: list[Any], tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "server.cpp").write_text("// mine\n")
    assert platforms.main([platform, str(tmp_path / "work"), str(tmp_path / "result.json"), "--lesson", "2"]) == 0
    jsonschema.validate(json.loads((tmp_path / "result.json").read_text()), SCHEMAS[platform])
    [(submission, settings)] = graded
    assert submission.files == {2: {"server.cpp": b"// mine\n"}} and settings.lessons == (2,)


def test_of_a_copy_of_the_whole_course_the_lessons_are_taken(graded: list[Any], tmp_path: Path) -> None:
    for name in ("lessons/2-multi-process", "lessons/common", "harness/witness"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "server.cpp").write_text(f"// {name}\n")
    platforms.grade("gradescope", tmp_path)
    [(submission, _)] = graded
    assert submission.files == {2: {"server.cpp": b"// lessons/2-multi-process\n"}}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_graders_trouble_is_no_result(
    platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platforms, "grade_submission", lambda *_: Graded(trouble="no compiler"))
    result = tmp_path / "result.json"
    assert platforms.main([platform, str(tmp_path), str(result)]) == 3
    assert capsys.readouterr().err == "lab: no compiler\n"
    if platform == "prairielearn":  # which shows nothing else to a student
        jsonschema.validate(json.loads(result.read_text()), SCHEMAS[platform])
    else:
        assert not result.exists()


# -- packages


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    for target in exporting.TARGETS:
        export(target, folder / target, Order())
    export("student", folder / "first", Order(FIRST))
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace")
        for path in folder.rglob("*")
        if path.is_file()
    }


def stripped(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


def passages(lesson: course.Lesson, step: course.Step) -> list[str]:
    """Three lines on end that stand in the solution's chapter and in no lesson as it is handed out."""
    finished = stripped("\n".join(regions.read_regions(lesson.source(solutions=True))[step.number].lines)).splitlines()
    handed_out = "\n".join(stripped(stubs.text(other)) for other in course.lessons())
    found = ["\n".join(finished[k : k + 3]) for k in range(len(finished) - 2)]
    return [passage for passage in found if len(passage) > 60 and passage not in handed_out]


@pytest.mark.parametrize("package", ["student", "classroom50", "first"])
def test_no_solution_is_in_what_students_can_see(packages: Path, package: str) -> None:
    found = contents(packages / package)
    assert not [name for name in found if re.search(r"solutions|mutants|styles|harness/tests", name)]
    text = "\n".join(map(stripped, found.values()))
    for lesson in course.lessons():
        for step in lesson.steps:
            given = lesson == FIRST and step != lesson.steps[-1] and package != "first"
            assert any(passage in text for passage in passages(lesson, step)) == given, step.id


def test_lesson_1_is_given_code_from_lesson_2_on(packages: Path) -> None:
    given = "lessons/common/lesson_1_functions.cpp"
    text = contents(packages / "student")[given]
    assert all(re.search(rf"^\S.*\b{step.functions[0]}\(", text, re.MULTILINE) for step in FIRST.steps[:-1])
    assert "int serve(" not in text and "#region" not in text
    assert given not in contents(packages / "first")


def test_a_package_for_lesson_1_has_no_other(packages: Path) -> None:
    assert {path.name for path in (packages / "first" / "lessons").iterdir() if path.is_dir()} == {"common", FIRST.slug}


def test_lessons_are_packed_as_they_were_handed_out(packages: Path) -> None:
    sums = (packages / "student" / "harness" / "stubs.sha256").read_text()
    done = subprocess.run(["sha256sum", "--check"], input=sums, cwd=packages / "student", text=True, check=False)
    assert done.returncode == 0


def test_a_package_for_students_is_set_up_by_meson(packages: Path, tmp_path: Path) -> None:
    for package in ("student", "first"):
        build = tmp_path / package
        command = ["meson", "setup", str(build), str(packages / package)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        done = subprocess.run(["ninja", "-C", str(build), "-t", "targets", "all"], capture_output=True, text=True, check=True)
        assert "lessons/1-single-process/server:" in done.stdout and "solutions" not in done.stdout


def test_what_a_package_lacks_is_said(packages: Path) -> None:
    for verb in (["prove"], ["bench"], ["docs"], ["test"], ["show", "1.1", "--yes"], ["check", "1", "--solutions"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "echolab", *verb],
            env=os.environ | {"PYTHONPATH": str(packages / "student" / "harness"), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (3, 1), (verb, done.stderr)
        assert "not in this package" in done.stderr or "is not here" in done.stderr


def test_gradescopes_zip_can_be_run(packages: Path) -> None:
    with zipfile.ZipFile(packages / "gradescope" / "autograder.zip") as archive:
        for name in ("setup.sh", "run_autograder", "echo-lab/harness/lab"):
            assert archive.getinfo(name).external_attr >> 16 & stat.S_IXUSR, name
        assert f"echo-lab/solutions/{FIRST.slug}/server.cpp" in archive.namelist()
        assert "@" not in archive.read("run_autograder").decode().replace('"$@"', "")


def test_scripts_are_shell(packages: Path) -> None:
    for script in sorted((course.ROOT / "harness" / "platforms").rglob("*")):
        if script.is_file() and script.read_bytes().startswith(b"#!/bin/sh"):
            assert subprocess.run(["sh", "-n", script], check=False).returncode == 0, script


def test_prairielearn_has_a_question_a_lesson(packages: Path) -> None:
    schema = json.loads((course.ROOT / "harness/platforms/prairielearn/info.schema.json").read_text())
    infos = sorted((packages / "prairielearn" / "questions").glob("*/info.json"))
    data = [json.loads(path.read_text()) for path in infos]
    assert len(data) == len({info["uuid"] for info in data}) == len(course.lessons())
    for info, path, lesson in zip(data, infos, course.lessons(), strict=True):
        jsonschema.validate(info, schema)
        assert info["externalGradingOptions"]["entrypoint"] == ["/grade.sh", str(lesson.number)]
        assert path.with_name("server.cpp").read_text() == stubs.text(lesson)


def test_one_lesson_can_be_asked_for(tmp_path: Path) -> None:
    second = course.lessons()[1]
    export("prairielearn", tmp_path / "p", Order(second, "registry/grader"))
    assert [path.name for path in (tmp_path / "p" / "questions").iterdir()] == [f"echo-lab-{second.slug}"]
    assert "docker push registry/grader" in (tmp_path / "p" / "README.md").read_text()
    export("classroom50", tmp_path / "c", Order(FIRST))
    assert 'LESSON = "--lesson 1".split()' in (tmp_path / "c" / "autograder" / "autograder.py").read_text()
    assert not (tmp_path / "c" / "autograder" / "echo-lab" / "lessons" / second.slug).exists()


def test_the_workflow_is_one(packages: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")
    workflow = yaml.safe_load((packages / "classroom50" / ".github" / "workflows" / "echo-lab.yaml").read_text())
    steps = workflow["jobs"]["grade"]["steps"]
    for step in steps:
        assert "uses" in step or subprocess.run(["bash", "-n", "-c", step["run"]], check=False).returncode == 0
    assert workflow["jobs"]["grade"]["timeout-minutes"] == 15


def test_wrong_usage_is_one_line_and_exit_2(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    for arguments, said in (
        (["export", "moodle", "--out", str(tmp_path / "new")], "there is no platform 'moodle'"),
        (["export", "student", "--out", str(tmp_path / "full")], "exists already"),
        (["export", "student", "--out", str(tmp_path / "no" / "such")], "is no folder"),
        (["export", "student", "--lesson", "9", "--out", str(tmp_path / "new")], "there is no lesson '9'"),
    ):
        done = lab(*arguments)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
        assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize("copying", ["copy2", "copytree"])
def test_a_full_disk_leaves_nothing_behind(copying: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        error = OSError(28, "No space left on device", "from", None, "to")
        raise error if copying == "copy2" else shutil.Error([("from", "to", str(error))])

    monkeypatch.setattr(exporting.shutil, copying, full)
    with pytest.raises(NotExported, match="^cannot write .*/new: No space left on device$"):
        export("student", tmp_path / "new", Order())
    assert not list(tmp_path.iterdir())
