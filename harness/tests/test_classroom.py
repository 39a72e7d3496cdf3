"""A class is graded whatever happens: killed and resumed, on a cluster that loses a worker, with empty hands."""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HARNESS, Lab
from rich.console import Console

from echolab import classroom, course, gradebook, kit, sandbox, submission
from echolab.classroom import Order, WrongUsage, grade_class
from echolab.gradebook import Row
from echolab.report import gradebook as gradebook_files
from echolab.submission import Graded, Settings, Submission, grade_submission
from echolab.verdict import GraderTrouble

LESSON = course.lessons()[0]
RIGHT, GIVEN = LESSON.source(solutions=True).read_bytes(), LESSON.source().read_bytes()
SETTINGS = Settings((1,), sandboxed=False)
CLASS = [Submission(f"student-{n}", {1: {"server.cpp": str(n).encode()}}) for n in range(8)]


def result(score: float = 100) -> Graded:
    report = {"schema": "echolab/report/v1", "lesson": 1, "server": "s", "score": score, "max_score": 100, "seconds": 1, "steps": []}  # fmt: skip
    return Graded({1: report}, {1: []}, "<p>page</p>")


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who has been graded, by a grader that takes no time and finds all right."""
    names: list[str] = []

    def grade(submission: Submission, settings: Settings) -> Graded:
        names.append(submission.student)
        return result()

    monkeypatch.setattr(classroom, "grade_submission", grade)
    monkeypatch.setattr(classroom.kit, "prepare", lambda lessons: None)
    return names


def run(out: Path, order: Order = Order(), class_: list[Submission] = CLASS) -> list[str]:
    rows = grade_class(class_, out, SETTINGS, order, 2, None, Console(quiet=True))
    return [row.student for row in rows]


def test_every_student_is_in_the_gradebook(graded: list[str], tmp_path: Path) -> None:
    everybody = [submission.student for submission in CLASS]
    assert run(tmp_path) == sorted(graded) == everybody


def test_a_gradebook_is_not_overwritten(graded: list[str], tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(WrongUsage, match="--resume goes on with it"):
        run(tmp_path)


def test_who_is_graded_is_not_graded_again(graded: list[str], tmp_path: Path) -> None:
    run(tmp_path, class_=CLASS[:3])
    assert run(tmp_path, Order(resume=True)) == [submission.student for submission in CLASS]
    assert sorted(graded) == [submission.student for submission in CLASS]


def test_what_has_changed_is_graded_again_and_who_has_left_is_gone(graded: list[str], tmp_path: Path) -> None:
    run(tmp_path)
    graded.clear()
    changed = Submission("student-0", {1: {"server.cpp": b"other"}})
    assert run(tmp_path, Order(resume=True), [changed, CLASS[1]]) == ["student-0", "student-1"]
    assert graded == ["student-0"]


def test_some_can_be_graded_again(graded: list[str], tmp_path: Path) -> None:
    run(tmp_path)
    graded.clear()
    run(tmp_path, Order(regrade=("student-5",)))
    assert graded == ["student-5"]
    with pytest.raises(WrongUsage, match="nobody is called mallory"):
        run(tmp_path, Order(regrade=("mallory",)))


def test_the_graders_trouble_is_kept_apart_and_tried_again(
    graded: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Graded(trouble="no room"), result()])
    monkeypatch.setattr(classroom, "grade_submission", lambda *_: next(answers))
    [row] = grade_class(CLASS[:1], tmp_path, SETTINGS, Order(), 1, None, Console(quiet=True))
    assert (row.trouble, row.reports) == ("no room", {})
    [row] = grade_class(CLASS[:1], tmp_path, SETTINGS, Order(resume=True), 1, None, Console(quiet=True))
    assert (row.trouble, row.score) == (None, 100)


def test_a_check_that_could_not_be_done_is_not_held_against_the_student(
    graded: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = result(50)
    check = {"id": "1.1.it_listens", "status": "error", "observed": "no free port"}
    half.reports[1]["steps"] = [{"checks": [check]}]
    monkeypatch.setattr(classroom, "grade_submission", lambda *_: half)
    [row] = grade_class(CLASS[:1], tmp_path, SETTINGS, Order(), 1, None, Console(quiet=True))
    assert row.trouble == "checks that could not be done: 1; 1.1.it_listens: no free port"


_KILLED = """
import os, sys, threading, time
sys.path[:0] = [{tests!r}, {harness!r}]
from pathlib import Path
import test_classroom as t
from echolab import classroom
def grade(submission, settings):
    with open({log!r}, "a") as log:
        log.write(submission.student + "\\n")
    return t.result()
classroom.grade_submission, classroom.kit.prepare = grade, lambda lessons: None
class_ = [t.Submission(f"student-{{n:03}}", {{}}) for n in range(200)]
print("ready", flush=True)
t.grade_class(class_, Path({out!r}), t.SETTINGS, classroom.Order(resume=True), 2, None, t.Console(quiet=True))
"""


def test_killed_at_any_moment_it_loses_nothing_and_grades_nothing_twice(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    program = _KILLED.format(tests=str(Path(__file__).parent), harness=str(HARNESS), log=str(log), out=str(out))
    log.touch()
    kept: set[str] = set()
    for turn in (1, 2, 3, 4, 1000):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline() == b"ready\n"
        before = len(log.read_text().splitlines())
        while process.poll() is None and len(log.read_text().splitlines()) < before + 10 * turn:
            pass
        process.kill()
        process.communicate()
        assert not kept & set(log.read_text().splitlines()[before:])  # nothing twice
        with sqlite3.connect(out / gradebook.NAME) as database:
            kept = {name for (name,) in database.execute("SELECT student FROM submission")}
    assert len(kept) == 200 == len(set(log.read_text().split()))


def test_the_last_word_of_a_grader_that_failed_is_one_readable_line() -> None:
    said = submission._read("", "Traceback:\nKeyError: " + "Lane(), " * 10_000, Settings((1,))).trouble
    assert said and "ended early: KeyError: Lane()" in said and len(said) < 400


def test_a_gradebook_from_a_newer_version_is_left_alone(graded: list[str], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / gradebook.NAME) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(GraderTrouble, match="from a newer Echo Lab"):
        run(tmp_path)


def test_a_gradebook_that_is_none_is_said(graded: list[str], tmp_path: Path) -> None:
    (tmp_path / gradebook.NAME).write_text("a shopping list, and long enough to be looked at" * 100)
    with pytest.raises(GraderTrouble, match="the gradebook: file is not a database"):
        run(tmp_path)


def test_two_do_not_write_to_one_gradebook(graded: list[str], tmp_path: Path) -> None:
    with gradebook.opened(tmp_path), pytest.raises(GraderTrouble, match="another lab is writing"):
        run(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_and_what_was_written_stays(graded: list[str], tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80k", "none", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("mount is not allowed here")
    try:
        with pytest.raises(GraderTrouble, match="full; what is in it stays, and --resume goes on"):
            run(tmp_path, class_=[Submission(f"{n}" * 2000, {}) for n in range(100)])
        (tmp_path / "more").unlink(missing_ok=True)
        with gradebook.opened(tmp_path) as book:
            assert book.students()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_too_full_to_build_on_is_the_graders_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("mount is not allowed here")
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        settings = Settings((1,), sandboxed=not sandbox.forbidden())
        graded = grade_submission(Submission("student", {1: {"server.cpp": RIGHT}}), settings)
        assert graded.reports == {} and f"{tmp_path} has too little room left" in str(graded.trouble)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_points_are_sorted_as_numbers(tmp_path: Path, browser: Any) -> None:
    rows = [
        Row(str(score), [], b"", None, {1: result(score).reports[1]}, {1: []}) for score in (99.5, 100.0, 9.0, 99.25)
    ]
    page = tmp_path / "gradebook.html"
    page.write_text(gradebook_files.as_page(rows, (1,), {}), encoding="utf-8")
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('table.sortable th button')[2].click()")
    sorted_by_score = "return [...document.querySelectorAll('table.sortable tbody th')].map(e => e.textContent)"
    assert browser.execute_script(sorted_by_score) == ["9.0", "99.25", "99.5", "100.0"]


# -- the whole of it, for real


@pytest.fixture(scope="module")
def real_class(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("class")
    files = {
        "right.cpp": RIGHT,
        "given/lessons/1-single-process/server.cpp": GIVEN,
        "<script>alert(1)/server.cpp": b'#error "<img src=x onerror=alert(2)>"\n// Lesson 1,\n',
        "=cmd|' calc'!A0/README": b"",
    }
    for name, text in files.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    words = ["class", str(folder / "in"), "--out", str(folder / "out"), "--lesson", "1"]
    walls = ["--no-sandbox"] if sandbox.forbidden() else []  # test_sandbox.py says why
    done = subprocess.run(
        [sys.executable, "-m", "echolab", *words, *walls],
        env=os.environ | {"PYTHONPATH": str(HARNESS)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"4 submissions graded: {folder / 'out' / 'gradebook.html'}" in done.stdout
    yield folder / "out"


def _compiled(root: Path, object: Path) -> tuple[list[str], bytes]:
    """With which precompiled headers lesson 1 is compiled if the given files below `root` are, and to what code."""
    lesson = course.lessons()[0]
    recipe = kit.recipe_of(kit.server(lesson)).compile
    words = [word.format(source=lesson.source(solutions=True), object=object) for word in recipe]
    done = subprocess.run([*(word.replace(str(kit.KIT), str(root)) for word in words), "-H"], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0
    code = subprocess.run(["objdump", "--disassemble", "--line-numbers", object.name], cwd=object.parent, stdout=subprocess.PIPE)
    return re.findall("^! (.*)", done.stderr, re.M), code.stdout.replace(bytes(kit.KIT), bytes(course.ROOT))


def test_a_precompiled_header_is_used_and_makes_the_same_code(tmp_path: Path) -> None:
    kit.prepare((1,))
    recipe = kit.recipe_of(kit.server(course.lessons()[0]))
    if "clang" in subprocess.run([recipe.compile[0], "--version"], stdout=subprocess.PIPE, text=True).stdout:
        pytest.skip("clang takes no precompiled header for an #include")
    (used, code), (none, same_code) = (_compiled(root, tmp_path / "server.o") for root in (kit.KIT, course.ROOT))
    assert len(used) == 1 and not none
    assert b"open_listener" in code and code == same_code


def test_a_header_that_has_changed_is_precompiled_again_or_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.prepare()
    monkeypatch.setattr(kit, "KIT", shutil.copytree(kit.KIT, tmp_path / "kit", ignore=shutil.ignore_patterns("*.gch")))
    lesson = course.lessons()[0]
    made = []
    for addition, wanted in [("", True), ("", False), ("// another", True), ("// and another", False)]:
        with (kit.KIT / "lessons" / "common" / "options.hpp").open("a") as header:
            header.write(addition)
        kit._precompile(lesson, kit.server(lesson), wanted)
        made.append({path.name: path.stat().st_ino for path in kit.KIT.rglob("*.gch/*")})
    first, same, changed, none = made
    assert len(first) == 1 and same == first and len(changed) == 1 and changed.keys() != first.keys() and not none


def test_two_for_each_processor_are_graded_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    together = threading.Barrier(6)
    with classroom._executor(0, None, Console()) as (executor, _):
        met = [executor.submit(together.wait, 60) for _ in range(6)]
        assert sorted(each.result() for each in met) == list(range(6))


def test_the_table_has_a_line_for_each_student(real_class: Path) -> None:
    with (real_class / "gradebook.csv").open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: float(row["score"]) for name, row in rows.items()} == {
        "right": 100, "given": 0, "<script>alert(1)": 0, "'=cmd|' calc'!A0": 0,
    }  # fmt: skip


def test_a_row_is_the_report_that_check_gives(real_class: Path, lab: Lab) -> None:
    alone = json.loads(lab("check", "1", "--json", "-").stdout)
    students = json.loads((real_class / "gradebook.json").read_text())["students"]
    [row] = next(student["reports"] for student in students if student["student"] == "given")

    def lasting(report: dict[str, Any]) -> str:
        """Without what is another at every run: times, and the ports that were free."""
        return re.sub(r'"seconds": [\d.]+|\b\d{5}\b', "", json.dumps(report))

    assert lasting(row) == lasting(alone)


def test_what_is_wrong_is_said(real_class: Path) -> None:
    students = json.loads((real_class / "gradebook.json").read_text())["students"]
    notes = {student["student"]: student["notes"].get("1", [""]) for student in students}
    assert notes["=cmd|' calc'!A0"] == ["lessons/1-single-process/server.cpp was not handed in"]
    assert "does not compile" in notes["<script>alert(1)"][-1]
    with (real_class / "gradebook.csv").open(newline="") as file:
        remarks = {row["student"]: row["remarks"] for row in csv.DictReader(file)}
    assert remarks["<script>alert(1)"].endswith("lesson 1 does not compile")
    assert remarks["'=cmd|' calc'!A0"] == "there is no C++ source in it; lesson 1 was not handed in"


def test_the_page_sorts_links_and_runs_nothing_of_the_students(real_class: Path, browser: Any) -> None:
    browser.get((real_class / "gradebook.html").as_uri())
    names = "return [...document.querySelectorAll('table.sortable tbody th')].map(e => e.textContent)"
    assert len(browser.execute_script(names)) == 4
    click = "document.querySelectorAll('table.sortable th button')[2].click()"
    browser.execute_script(click)
    assert browser.execute_script(names)[-1] == "right"
    browser.execute_script(click)
    assert browser.execute_script(names)[0] == "right"
    assert browser.execute_script("return document.images.length") == 0
    rows = "return document.querySelectorAll('section[aria-labelledby={}] tbody tr').length"
    assert browser.execute_script(rows.format("steps")) == len(LESSON.steps)
    assert browser.execute_script(rows.format("failures")) > 0
    links = browser.execute_script("return [...document.querySelectorAll('tbody a')].map(a => a.href)")
    assert len(links) == 4
    for link in links:
        browser.get(link)
        assert "Echo Lab" in browser.execute_script("return document.body.textContent")
        assert browser.execute_script("return document.images.length") == 0
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
