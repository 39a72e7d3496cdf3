"""A report says the same on the terminal and as JSON, and its exit code follows from it."""

import io
import json
from pathlib import Path

import jsonschema
import pytest
from conftest import Lab
from rich.console import Console

from echolab.cli import _exit_code
from echolab.report import CheckResult, Report, Status, StepResult, Where, terminal
from echolab.report import json as json_report

SCHEMA = json.loads((Path(json_report.__file__).parent / "report.schema.json").read_text())


def check(status: Status, points: int = 5, name: str = "a_check") -> CheckResult:
    result = CheckResult(f"1.1.{name}", "A check", "What it is about.", "echo", points, status)
    if status is Status.FAIL:
        result.expected, result.observed, result.cause = "this", "that", "a [bold]reason[/bold]"
        result.where = Where("lessons/1/server.cpp", 7)
        result.hint, result.docs = "look there", "README.md#there"
    return result


def report(*checks: CheckResult, points: int = 100) -> Report:
    return Report(1, "single process", "server.cpp", 1.0, [StepResult("1.1", "A step", points, list(checks))])


@pytest.mark.parametrize("status", list(Status))
def test_every_report_keeps_to_the_schema(status: Status) -> None:
    data = json.loads(json_report.write([report(check(status))]))
    jsonschema.validate(data, SCHEMA)
    jsonschema.validate(json.loads(json_report.write([report(check(status))] * 2)), SCHEMA)


def test_a_step_that_was_graded_by_itself_says_so() -> None:
    graded = report(check(Status.PASS))
    graded.steps[0].isolated, graded.steps[0].note = True, "right by itself; held up by step 1.2"
    data = json.loads(json_report.write([graded]))
    jsonschema.validate(data, SCHEMA)
    assert data["steps"][0]["isolated"] and data["steps"][0]["note"] == graded.steps[0].note


def test_steps_that_do_not_fit_together_are_no_success() -> None:
    graded = report(check(Status.PASS))
    graded.whole = False
    assert _exit_code([graded]) == 1


def test_a_failure_without_its_reasons_breaks_the_schema() -> None:
    broken = check(Status.FAIL)
    broken.cause = None
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json_report.write([report(broken)])), SCHEMA)


def test_a_step_scores_the_share_that_its_checks_earn() -> None:
    graded = report(check(Status.PASS, 3), check(Status.FAIL, 1), points=20)
    assert (graded.score, graded.max_score) == (15, 20)


@pytest.mark.parametrize("status", [Status.FAIL, Status.BLOCKED, Status.ERROR])
def test_only_a_pass_earns_points(status: Status) -> None:
    assert report(check(status)).score == 0


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([Status.PASS], 0),
        ([Status.PASS, Status.FAIL], 1),
        ([Status.PASS, Status.BLOCKED], 1),
        ([Status.FAIL, Status.ERROR], 3),
    ],
)
def test_the_exit_code_follows_from_the_checks(statuses: list[Status], code: int) -> None:
    assert _exit_code([report(*(check(status) for status in statuses))]) == code


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_terminal_shows_what_was_expected_and_seen(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    terminal.write(report(check(Status.FAIL), check(Status.PASS)), Console(file=stream, width=80))
    stream.flush()
    shown = raw.getvalue().decode(encoding)
    words = ["this", "that", "a [bold]reason[/bold]", "server.cpp:7", "look there", "50 of 100"]
    assert all(word in shown for word in words)


def test_the_json_of_a_real_grading_keeps_to_the_schema(lab: Lab) -> None:
    done = lab("check", "1", "--solutions", "--json", "-")
    data = json.loads(done.stdout)
    jsonschema.validate(data, SCHEMA)
    assert (done.returncode, data["score"]) == (0, 100)
    assert "100 of 100 points" in done.stderr


def test_a_step_can_be_graded_alone(lab: Lab) -> None:
    data = json.loads(lab("check", "1.4", "--solutions", "--json", "-").stdout)
    assert [step["id"] for step in data["steps"]] == ["1.4"]
