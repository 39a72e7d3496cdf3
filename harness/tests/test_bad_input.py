"""Whatever is asked of the lab, it ends with a clear line, the right exit code, and nothing left over."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import HARNESS, Lab, grade_command

from echolab import build, course, procfs
from echolab.client import Client
from echolab.grading import Grading, Target, grade
from echolab.known import catalogue
from echolab.report import CheckResult, Status
from echolab.server import Command, Server

ECHO = f"{sys.executable} {Path(__file__).with_name('echo_server.py')}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "9"], "there is no lesson '9'"),
        (["check", "1.9"], "its steps are 1.1 to 1.6"),
        (["check", "1", "--server", "./nope {port}"], "./nope does not exist"),
        (["check", "1", "--server", "LICENSE {port}"], "LICENSE is not executable"),
        (["check", "1", "--server", "harness {port}"], "harness is a folder"),
        (["check", "1", "--server", "cat"], "has no {port}"),
        (["check", "1", "--server", "'cat {port}"], "No closing quotation"),
        (["check", "--server", "cat {port}"], "needs a lesson"),
        (["check", "1", "--port", "80"], "goes with --server"),
        (["check", "1", "--server", "cat {port}", "--solutions"], "only one"),
        (["bogus"], "bogus"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(lab: Lab, arguments: list[str], said: str) -> None:
    done = lab(*arguments)
    assert done.returncode == 2
    assert said in done.stderr and done.stdout == ""


def failures(command: str, lesson: str = "1.1") -> list[str]:
    report = grade_command(command, lesson)
    assert not report.having(Status.ERROR)
    return [check.observed or "" for check in report.having(Status.FAIL)]


def test_a_crash_at_start_is_named_by_its_signal() -> None:
    assert "killed by SIGSEGV" in failures("sh -c 'kill -SEGV $$' {port}")[0]


def test_a_server_that_never_listens_is_said_to_sleep() -> None:
    seen = failures(f"{sys.executable} -c 'import signal; signal.pause()' {{port}}")
    assert "asleep in pause" in seen[0]


def test_a_server_on_another_port_is_found_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    seen = failures(f"{ECHO} {other} unused-{{port}}")
    assert f"it listens on 127.0.0.1:{other} instead" in seen[0]


def test_a_server_that_ends_in_the_middle_is_graded_to_the_end() -> None:
    report = grade_command(f"{ECHO} --clients 1 {{port}}", "1")
    assert not report.having(Status.ERROR)
    assert report.steps[0].score == 16 and report.steps[5].score < 24


def test_gigabytes_of_output_are_bounded(warden: Path) -> None:
    before = psutil.Process().memory_info().rss
    assert failures(f"{ECHO} --flood {{port}}") == []
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_what_ignores_sigterm_and_calls_setsid_is_gone_afterwards(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    report = grade_command(f"{ECHO} --stubborn --daemons 3 {{port}} {mark}", "1.6")
    assert {c.area for c in report.having(Status.FAIL)} == {"shutdown"}
    assert not running_with(mark)


def test_a_server_that_forks_without_end_is_bounded_and_reported(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    report = grade_command(f"{ECHO} --bomb {{port}} {mark}", "2.3")
    assert not report.having(Status.ERROR)
    assert any("processes and threads" in (c.observed or "") for c in report.having(Status.FAIL))
    assert not running_with(mark)


def test_children_that_ignore_sigterm_are_a_failure_and_do_not_outlive_it(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    report = grade_command(f"{ECHO} --fork --stubborn-children {{port}} {mark}", "2.6")
    assert [c.id for c in report.having(Status.FAIL)] == ["2.6.sigterm_leaves_no_process_behind"]
    assert not running_with(mark)


def test_a_parent_that_is_killed_in_the_middle_is_a_failure_of_the_server(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    report = grade_command(f"{ECHO} --fork --killed-after 2 {{port}} {mark}", "2")
    assert not report.having(Status.ERROR)
    failed = {check.id: check.observed for check in report.having(Status.FAIL)}
    assert "killed by SIGKILL" in (failed["2.4.no_zombie_is_left_while_others_live"] or "")
    assert not running_with(mark)


def test_a_server_that_keeps_us_from_looking_at_it_has_failed() -> None:
    hides = "import ctypes, sys; ctypes.CDLL(None).prctl(4, 0); print(flush=True); sys.stdin.read()"  # PR_SET_DUMPABLE
    ordinary = 65_534 if os.geteuid() == 0 else None
    with subprocess.Popen(
        [sys.executable, "-c", hides], stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=ordinary
    ) as hidden:
        assert hidden.stdout and hidden.stdout.read(1)
        if (looker := os.fork()) == 0:
            try:
                if ordinary:
                    os.setuid(ordinary)
                procfs.descriptors(hidden.pid)
            except procfs.Hidden:
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(looker, 0)[1]) == 7
        hidden.communicate()

    lesson = course.lessons()[0]
    result = CheckResult("1.1.x", "X", "", "fds", 1)
    Grading(Target(lesson), Command(())).judge(result, procfs.Hidden("hidden"), lesson.steps[0])
    assert (result.status, result.observed) == (Status.FAIL, "hidden")


def running_with(mark: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def test_a_port_that_somebody_else_holds_is_never_graded(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = lab("check", "1", "--server", f"{ECHO} {port}", "--port", port)
    assert done.returncode == 3
    assert f"port {port} is held by process {os.getpid()}" in done.stderr


def test_no_port_is_the_same_with_its_bytes_swapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 0)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 0x5555 - 10_000)
    server = Server(Command(("server", "{port}")), build.WARDEN)
    assert server.choose_port() == 0x5556
    server.close()


def test_a_fixed_port_is_graded_again_and_again(lab: Lab) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    done = lab("check", "1", "--server", f"{ECHO} {port}", "--port", port, "--json", "-")
    report = json.loads(done.stdout)
    assert report["score"] == 100, done.stderr


def test_a_check_whose_process_is_killed_is_the_graders_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    run_apart = Grading._run_apart

    def killed(grading: Grading, items: list[pytest.Item], index: int, *known: Any) -> object:
        if items[index].name == "a_client_is_let_in":
            os.kill(os.getpid(), signal.SIGKILL)
        return run_apart(grading, items, index, *known)

    monkeypatch.setattr(Grading, "_run_apart", killed)
    report = grade(Target(course.lessons()[0], solutions=True))
    [trouble] = report.having(Status.ERROR)
    assert trouble.id == "1.2.a_client_is_let_in" and trouble.observed == "the process that did this was killed"
    assert {check.status for check in report.checks if check is not trouble} == {Status.PASS}


def test_checks_side_by_side_say_what_they_say_one_after_another() -> None:
    wrong = next(server for server in catalogue() if server.id == "1-drops_what_does_not_fit")
    build.build(*wrong.binaries)
    one, other = (
        [(check.id, check.status, check.cause) for check in grade(wrong.target, at_once=number).checks] for number in (1, 3)
    )
    assert one == other


def test_a_moment_that_was_missed_is_tried_again_with_nobody_else_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    finished_unread, looked = Client.has_finished_unread, set()

    def missed(client: Client) -> bool:  # the first client's bytes have found room at the last moment
        looked.add(client)
        return len(looked) > 1 and finished_unread(client)

    monkeypatch.setattr(Client, "has_finished_unread", missed)
    lesson = course.lessons()[0]
    report = grade(Target(lesson, solutions=True), lesson.step(6), at_once=1)
    assert {check.status for check in report.checks} == {Status.PASS} and len(looked) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_grader_is_stopped(number: int, tmp_path: Path) -> None:
    mark, started = str(tmp_path / "mark"), tmp_path / "started"
    os.mkfifo(started)
    grader = subprocess.Popen(
        [
            *(sys.executable, "-m", "echolab", "check", "1", "--server"),
            f"{ECHO} --tell {started} --mute {{port}} {mark}",
        ],
        env=os.environ | {"PYTHONPATH": str(HARNESS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.read_text(encoding="ascii")  # returns when the first server has started
    grader.send_signal(number)
    _, said = grader.communicate(timeout=60)
    psutil.wait_procs(running_with(mark), timeout=60)
    assert not running_with(mark)
    assert grader.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        assert "stopped" in said
