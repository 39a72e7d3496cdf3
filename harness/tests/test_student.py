"""A student at work, in a copy of the course: what each step is worth while others are unfinished, and what helps."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from echolab import build, course, isolation, stubs
from echolab.grading import Grading, Target, run_checks
from echolab.isolation import Isolation
from echolab.report import CheckResult, Report, Status, StepResult

NOT_COPIED = (".git", "build", "node_modules", "__pycache__")


class Student:
    """Somebody's copy of the course, in which a lesson is worked on with the lab's verbs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lesson = course.lessons()[0]

    def starts(self, *arguments: str, env: dict[str, str] = {}, **streams: Any) -> "subprocess.Popen[str]":
        """The lab at work, with `env` in its environment; its streams are pipes unless they are given."""
        pipes: dict[str, Any] = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        return subprocess.Popen(
            [sys.executable, "-m", "echolab", *arguments],
            env=os.environ
            | {
                "PYTHONPATH": str(self.root / "harness"),
                "COLUMNS": "120",
                "LINES": "40",
                "TERM": "xterm",
            }
            | env,
            cwd=self.root,
            text=True,
            start_new_session=True,
            **pipes | streams,
        )

    def lab(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        lab = self.starts(*arguments)
        printed = lab.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, lab.returncode, *printed)

    def check(self, what: str = "1") -> dict[str, Any]:
        """The steps of a report by their ids, and its score as "score"."""
        done = self.lab("check", what, "--json", "-")
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        return {step["id"]: step for step in report["steps"]} | {
            "score": report["score"],
            "said": done.stderr,
        }

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
    Student(root).lab("reset", "1")  # changes nothing; from now on it is known what was handed out
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
    after = {
        path: path.stat().st_mtime_ns for path in (student.root / "build" / "verdicts").iterdir()
    }
    assert known.items() <= after.items() and len(after) == len(known) + 2
    assert binary.stat().st_mtime_ns == built


def test_a_server_that_does_not_compile_shows_the_compilers_message(student: Student) -> None:
    student.edits(2, lambda chapter: "int wrong = ;\n" + chapter)
    line = student.source.read_text(encoding="utf-8").splitlines().index("int wrong = ;") + 1
    done = student.lab("check", "1")
    assert done.returncode == 1
    assert f"lessons/1-single-process/server.cpp:{line}:13: error: " in done.stdout
    # Chapters that nobody has begun are not tried by themselves, where it is known that nobody has.
    assert re.search(r"0 of 100 points, (\d+ failed, )?\d+ could not be tried", done.stdout)


def test_missing_markers_are_said_and_the_server_is_graded(student: Student) -> None:
    student.writes(student.source.read_text(encoding="utf-8").replace("// #endregion step-3\n", ""))
    done = student.lab("check", "1")
    assert done.returncode == 1
    assert "step 4 begins inside step 3; put the marker back" in done.stdout
    assert "failed" in done.stdout


def test_a_chapter_that_does_not_compile_costs_only_itself(student: Student) -> None:
    student.edits(3, lambda chapter: "int wrong = ;\n" + chapter, student.finished)
    steps = student.check()
    assert steps["score"] == 100 - student.lesson.step(3).points
    assert steps["1.3"]["note"] == "does not compile by itself"
    assert all(check["status"] == "blocked" for check in steps["1.3"]["checks"])
    assert re.search(
        r"lessons/1-single-process/server.cpp:\d+:13: error: ",
        steps["1.3"]["checks"][0]["observed"],
    )
    assert steps["1.4"]["note"] == "right by itself; held up by step 1.3"


def test_markers_that_were_removed_cost_only_their_step(student: Student) -> None:
    student.edits(2, ends_at_once, student.finished.replace("// #endregion step-3\n", ""))
    steps = student.check()
    assert steps["1.3"]["note"] == "its #region markers are missing"
    assert steps["score"] == 100 - sum(student.lesson.step(number).points for number in (2, 3))
    assert "step 4 begins inside step 3; put the marker back" in steps["said"]


def test_headers_that_a_chapter_needs_are_taken_with_it(student: Student) -> None:
    student.edits(2, ends_at_once, "#include <numbers>\n" + student.finished)
    student.edits(
        4,
        lambda chapter: "static const double two = 2 * std::numbers::pi / std::numbers::pi;\n"
        + chapter,
    )
    assert student.check()["1.4"]["score"] == student.lesson.step(4).points


def test_a_chapter_that_leans_on_another_is_none_by_itself_and_the_others_are_not_compiled_again(student: Student) -> None:
    helper = "namespace {\nint one() { return 1; }\n}\n"
    student.edits(2, lambda chapter: ends_at_once(helper + chapter), student.finished)
    student.edits(4, lambda chapter: chapter.replace("{\n", "{\n  if (one() != 1) return false;\n", 1))
    folder = student.root / "build" / "solutions" / student.lesson.slug
    for known in (folder, student.root / "build" / "verdicts"):
        shutil.rmtree(known, ignore_errors=True)
    steps = student.check()
    assert steps["1.4"]["note"] == "does not compile by itself"
    relinked = {object.parent.stem for object in folder.glob("only-*.p/mine.o")}
    assert relinked == {f"only-{number}" for number in (1, 2, 3, 5, 6)}
    assert steps["1.5"]["note"] == "right by itself; held up by step 1.2"


def test_what_was_compiled_before_is_not_taken_for_what_was_linked_since(student: Student) -> None:
    def broken(chapter: str) -> str:
        return "int wrong = ;\n" + chapter

    def reads_nothing(chapter: str) -> str:
        return re.sub(r"(?m)^(ssize_t read_some\(.*\{)$", r"\1\n  return 0;", chapter)

    for earlier, own, right in (
        (broken, reads_nothing, False),  # compiled
        (ends_at_once, str, True),  # linked
        (broken, reads_nothing, False),  # as at first
    ):
        student.edits(2, earlier, student.finished)
        student.edits(3, own)
        shutil.rmtree(student.root / "build" / "verdicts", ignore_errors=True)
        steps = student.check()
        assert (steps["1.3"]["score"] == steps["1.3"]["points"]) is right


def test_chapters_that_do_not_fit_together_do_not_pass(student: Student) -> None:
    def with_helper(value: int) -> Callable[[str], str]:
        return lambda chapter: f"int helper() {{ return {value}; }}\n" + chapter

    student.edits(3, with_helper(3), student.finished)
    student.edits(5, with_helper(5))
    done = student.lab("check", "1")
    assert done.returncode == 1
    assert "100 of 100 points" in done.stdout
    assert "right by itself, but not together with the other chapters" in done.stdout


def ends_of(processes: list[psutil.Process]) -> list[int]:
    """Descriptors that tell of the processes' ends, also where nobody reaps them (man 2 pidfd_open)."""
    ends = []
    for process in processes:
        with suppress(ProcessLookupError):
            ends.append(os.pidfd_open(process.pid))
    return ends


def all_come(ends: list[int], seconds: float = 60) -> bool:
    come = [bool(select.select([end], [], [], seconds)[0]) for end in ends]
    for end in ends:
        os.close(end)
    return all(come)


def grades_a_step(process: psutil.Process) -> bool:
    try:
        return Path(process.exe()).name.startswith("only-")
    except (psutil.Error, OSError):
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_it_is_stopped_while_steps_are_graded(
    student: Student, number: int
) -> None:
    student.edits(2, lambda chapter: f"// {number}\n" + ends_at_once(chapter), student.finished)
    shutil.rmtree(student.root / "build" / "verdicts", ignore_errors=True)
    checking = student.starts("check", "1")
    below: list[psutil.Process] = []
    while not any(grades_a_step(process) for process in below):
        assert checking.poll() is None
        below = psutil.Process(checking.pid).children(recursive=True)
    ends = ends_of(below)
    checking.send_signal(number)
    checking.communicate(timeout=60)
    assert checking.returncode == (130 if number == signal.SIGINT else -number)
    assert all_come(ends)


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
        course.Lesson,
        "source",
        lambda lesson, solutions=False: Path("/nowhere") if solutions else here(lesson),
    )
    Isolation(lesson, lambda steps, sanitized: {}, lambda lesson, step: [], 1).isolate(report, lambda text: None)
    assert report.score == 0 and not step.isolated
    assert report.notes == [
        "Steps are not graded by themselves as well: the solutions are not here."
    ]


class _Running(list[tuple[Any, Any]]):
    """In place of an Apart: a call is made when somebody waits for it. `together` notes how many were running."""

    everything: list["_Running"]
    together: set[int]

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.everything.append(self)

    __enter__ = lambda self: self
    __exit__ = lambda self, *_: None

    def start(self, key: Any, *arguments: Any) -> None:
        self.append((key, arguments))
        self.together.add(sum(map(len, self.everything)))

    def ended(self, *_: Any, seconds: float | None = None) -> Iterator[tuple[Any, Any]]:
        while self:
            key, arguments = self.pop(0)
            yield key, self._function(*arguments)


@pytest.mark.parametrize("at_once, together", [(1, {1}), (4, {1, 2})])
def test_steps_are_built_and_graded_one_after_another_where_nothing_may_run_beside(
    monkeypatch: pytest.MonkeyPatch, at_once: int, together: set[int]
) -> None:
    _Running.everything, _Running.together = [], set()
    monkeypatch.setattr(isolation, "Apart", _Running)
    monkeypatch.setattr(stubs, "chapters", lambda lesson: {})
    monkeypatch.setattr(isolation.KeptVerdicts, "find", lambda *_: None)
    monkeypatch.setattr(isolation.KeptVerdicts, "keep", lambda *_: None)
    lesson = course.lessons()[0]
    failed = [CheckResult(f"1.{n}.a", "A", "", "echo", 1, Status.FAIL) for n in (1, 2)]
    report = Report(1, "", "", steps=[StepResult(f"1.{n}", "", 1, [failed[n - 1]]) for n in (1, 2)])
    graded = []
    alone = Isolation(lesson, lambda steps, sanitized: {}, lambda lesson, step: graded.append(step) or [], at_once)
    alone.expect(lesson.step(1), False)
    alone.isolate(report, lambda text: None, sanitized=[2])
    assert len(graded) == 2 and _Running.together == together


def test_no_check_begins_before_the_build_has_ended_where_nothing_may_run_beside() -> None:
    lesson = course.lessons()[2]
    begun = []

    class Built(Target):
        def build(self, *binaries: Path) -> None:
            raise build.CompileError("not today")

    def begins(_: str) -> None:
        begun.append(isinstance(grading._trouble, build.CompileError))
        raise KeyboardInterrupt

    target = Built(lesson, solutions=True)
    grading = Grading(target, target.start(Path("server")), lesson.step(4), begins)
    run_checks(grading, [])
    assert begun == [True]


def test_hints_come_one_by_one_and_are_remembered(student: Student) -> None:
    step = student.lesson.step(4)
    shown = [
        " ".join(student.lab("hint", "1.4").stdout.split()) for _ in range(len(step.hints) + 1)
    ]
    for number, hint in enumerate(step.hints, 1):
        assert f"Hint {number} of {len(step.hints)}: {' '.join(hint.split())}" in shown[number - 1]
    assert "Hint" not in shown[-1] and "harness/lab show 1.4" in shown[-1]
    everything = student.lab("hint", "1.4", "--all").stdout
    assert everything.count("Hint ") == len(step.hints)


def test_the_solutions_chapter_is_shown_after_a_question_only(student: Student) -> None:
    refused = student.lab("show", "1.2")
    assert (refused.returncode, refused.stdout) == (2, "")
    shown = student.lab("show", "1.2", "--yes")
    assert shown.returncode == 0 and "int accept_client(int listener) {" in shown.stdout
    diff = student.lab("show", "1.2", "--yes", "--diff").stdout
    assert diff.startswith("--- lessons/1-single-process/server.cpp\n+++ solutions/")
    assert re.search(r"(?m)^-// TODO\(step 2\)", diff)


@pytest.mark.parametrize(("what", "left"), [("1.2", "mine too"), ("1", "")])
def test_a_reset_puts_back_what_was_handed_out_and_keeps_a_copy(
    student: Student, what: str, left: str
) -> None:
    pristine = student.source.read_text(encoding="utf-8")
    student.edits(2, lambda chapter: "// mine\n" + chapter)
    student.edits(3, lambda chapter: "// mine too\n" + chapter)
    mine = student.source.read_text(encoding="utf-8")
    done = student.lab("reset", what)
    assert done.returncode == 0
    copy = student.root / done.stdout.split()[-1]
    assert copy.read_text(encoding="utf-8") == mine
    after = student.source.read_text(encoding="utf-8")
    assert (
        after == pristine.replace("// #region step-3\n", "// #region step-3\n// mine too\n")
        if left
        else pristine
    )
    copy.unlink()


def test_a_reset_finds_the_markers_or_says_so(student: Student) -> None:
    student.writes(student.source.read_text(encoding="utf-8").replace("// #region step-2\n", ""))
    done = student.lab("reset", "1.2")
    assert done.returncode == 1 and "harness/lab reset 1 puts the whole file back" in done.stderr


def test_the_unit_tests_of_one_step_run_without_a_server(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lesson = course.lessons()[0]
    finished = build.server(
        lesson, solutions=True
    )  # its tests have been built: the lesson's take long
    monkeypatch.setattr(build, "server", lambda lesson: finished)
    assert build.unit(lesson, lesson.step(2)) == 0
    assert "All tests passed" in capfd.readouterr().out


def test_what_was_handed_out_is_found_in_git(student: Student, tmp_path: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    pristine = student.source.read_text(encoding="utf-8")
    root = tmp_path / "clone"
    shutil.copytree(student.root, root, ignore=shutil.ignore_patterns("build"))
    someone = Student(root)
    git = [
        "git",
        "-C",
        str(root),
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
    ]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "handed out"]):
        subprocess.run([*git, *command], check=True)
    someone.writes("// all mine\n")
    subprocess.run([*git, "commit", "-qam", "worked on"], check=True)
    assert someone.lab("reset", "1").returncode == 0
    assert someone.source.read_text(encoding="utf-8") == pristine
    shutil.rmtree(root / ".git")
    shutil.rmtree(root / "build")
    someone.writes("// all mine\n")
    done = someone.lab("reset", "1")
    assert done.returncode == 3 and "neither in git's history nor in harness/stubs" in done.stderr


def test_a_check_of_everything_opens_with_the_progress(student: Student) -> None:
    student.writes(student.finished)
    assert student.check()["score"] == 100
    checking = student.starts("check")
    assert checking.stdout
    opening = [checking.stdout.readline() for _ in course.lessons()]
    checking.send_signal(signal.SIGINT)
    checking.communicate(timeout=60)
    assert checking.returncode == 130
    assert re.match(r"Lesson 1, single process +6 of 6 steps +100 points +done", opening[0])
    assert re.match(r"Lesson 2, multi process +not begun +next: 2.1 ", opening[1])


def test_tab_completes_lessons_and_steps(student: Student) -> None:
    script = student.lab("completion", "bash")
    assert script.returncode == 0
    words = "COMP_WORDS=(harness/lab check 1.); COMP_CWORD=2; _lab_completion harness/lab; echo ${COMPREPLY[*]}"
    done = subprocess.run(
        ["bash", "-c", script.stdout + words],
        cwd=student.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == [step.id for step in student.lesson.steps]


class Watching:
    """`check --watch` on a terminal of its own; what it shows is read as it comes."""

    def __init__(self, student: Student) -> None:
        self._terminal, theirs = pty.openpty()
        self.process = student.starts(
            "check", "1", "--watch", stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)

    def until(self, pattern: str) -> str:
        """What was shown until `pattern` was; without colours."""
        shown = ""
        while not re.search(pattern, shown):
            ready, _, _ = select.select([self._terminal], [], [], 120)
            assert ready, shown
            try:
                shown += re.sub(
                    r"\x1b\[[\d;?]*[A-Za-z]",
                    "",
                    os.read(self._terminal, 65536).decode("utf-8", "ignore"),
                )
            except OSError:  # its end
                assert re.search(pattern, shown), shown
        return shown

    def interrupt(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        self.until("stopped")
        return self.process.wait(60)


@pytest.fixture
def watching(student: Student) -> Iterator[Watching]:
    pytest.importorskip("watchdog")
    watching = Watching(student)
    yield watching
    watching.process.kill()
    watching.process.wait()


def test_a_watch_grades_what_is_saved_and_leaves_nothing_behind(
    student: Student, watching: Watching
) -> None:
    watching.until(r"graded in")
    # As editors save: a new file is renamed to the old one.
    new = student.source.with_suffix(".new")
    new.write_text(student.finished, encoding="utf-8")
    new.rename(student.source)
    watching.until(r"100 of 100 points")
    student.edits(4, lambda chapter: "int wrong = ;\n" + chapter)
    watching.until(r"server.cpp:\d+:13: error: ")
    student.source.unlink()
    watching.until(r"harness/lab reset 1 puts it back")
    # Many saves: only the last one's grading comes to its end.
    for turn in range(5):
        student.writes(f"// {turn}\n" + student.finished)
    student.edits(2, ends_at_once)
    watching.until(r"88 of 100 points")
    ends = ends_of(psutil.Process(watching.process.pid).children(recursive=True))
    assert ends
    assert watching.interrupt() == 130
    assert all_come(ends)


def test_a_watch_that_is_killed_leaves_nothing_behind(student: Student, watching: Watching) -> None:
    watching.until(r"listens where it was told to|graded in")
    student.writes(student.finished)
    watching.until(r"saved")
    ends = ends_of(psutil.Process(watching.process.pid).children(recursive=True))
    watching.process.kill()
    assert all_come(ends)
