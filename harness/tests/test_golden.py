"""Golden reports: of one wrong server for each step, all that a student reads of that step.

They stand in harness/tests/golden. Whoever means to change them writes them anew, and reads them:

    python3 -m pytest harness/tests/test_golden.py --record
"""

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from difflib import unified_diff
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from echolab import build, course
from echolab.grading import Target, grade
from echolab.known import Known, catalogue
from echolab.report import terminal

GOLDEN = Path(__file__).resolve().parent / "golden"
WRONG = [server for server in catalogue() if server.is_wrong]
STEPS = [step.id for lesson in course.lessons() for step in lesson.steps]


def kept(step: str) -> Path | None:
    """The golden report for the step: STEP-SERVER.txt."""
    return next(GOLDEN.glob(f"{step}-*.txt"), None)


def wrong_server(step: str) -> Known | None:
    """The one whose report is kept; without one, of those that fail the step first, that which fails least."""
    if path := kept(step):
        return next((s for s in WRONG if path.stem == f"{step}-{s.source.stem}" and s.id[0] == step[0]), None)
    first = [s for s in WRONG if s.steps and s.steps[0].id == step and not s.checks("perhaps")]
    return min(first, key=lambda s: (len(s.binaries), len(s.checks("fails")), s.id), default=None)


def told(server: Known, step: str) -> str:
    """What `lab check` prints of one step of the server, on a terminal of 80 columns."""
    sources = (server.source, server.lesson.source(solutions=True))
    target = server.target
    report = grade(Target(server.lesson, command=target.command, sources=sources), course.find(step)[1])
    printed = StringIO()
    terminal.write(report, Console(file=printed, width=80, highlight=False))
    return "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


# What differs from run to run.
_VARIES = (
    (r"\([\d.]+ s\)", "(… s)"),  # the duration
    (r"[\d.]+ s of processor time", "… s of processor time"),
    (r"after \d+ s\b", "after … s"),
    (r"\bport \d+", "port …"),
    (r"(cpp):\d+$", r"\1:…"),  # what is put into its caller differs by compiler; lines.py counts
    (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
    (r"\b(process|pid) \d+", r"\1 …"),
    (r"processes \[[\d, ]+\]", "processes […]"),
    (r"\b(read|write|send|recv)\(\d+\)", r"\1(…)"),
    (r"\b\d+ of (\d+)(?! points)", r"… of \1"),
    (r"\b\d{1,3}(,\d{3})+\b", "…"),
    (r"\b\d+ bytes (are missing|came)", r"… bytes \1"),
    (r"\bbyte \d+", "byte …"),
    (r"\b\d+ (mapped stacks|are mapped)", r"… \1"),
    (r"\b[\d…]+ (zombies?|of them|others?|other (?:processes|threads))\b", r"… \1"),
)
_FIELD = r" +(?:expected|observed|cause|where|read|hint) "


def compared(text: str) -> list[str]:
    """The lines of a report without what varies: numbers of a run, and the pictures of what happened."""
    lines: list[str] = []
    in_picture = False
    for line in text.splitlines():
        if re.match(r" +ms  ", line):
            in_picture = True
            line = "      (what happened)"
        elif in_picture and (not line or line.startswith("      ")) and not re.match(_FIELD, line):
            continue
        in_picture = line == "      (what happened)"
        if re.match(r" {14,18}\S", line) and re.match(_FIELD, lines[-1]):
            lines[-1] += f" {line.strip()}"  # it goes on
        else:
            lines.append(line)
    for pattern, instead in _VARIES:
        lines = [re.sub(pattern, instead, line) for line in lines]
    return [line for line in lines if line]


@pytest.fixture(scope="session")
def reports(request: pytest.FixtureRequest) -> dict[str, str]:
    """The reports for all steps that are asked for, graded side by side."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    asked = [item.callspec.params["step"] for item in here]  # type: ignore[attr-defined]
    chosen = {step: server for step in asked if (server := wrong_server(step))}
    build.build(build.WITNESS, *{path for server in chosen.values() for path in server.binaries})
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        told_of = {step: pool.submit(told, server, step) for step, server in chosen.items()}
        return {step: future.result() for step, future in told_of.items()}


@pytest.mark.parametrize("step", STEPS)
def test_a_student_reads_what_was_recorded(
    reports: dict[str, str], step: str, request: pytest.FixtureRequest
) -> None:
    server, path = wrong_server(step), kept(step)
    assert server, f"no wrong server fails step {step} first; {path} is kept of one that is gone"
    text = reports[step]
    if request.config.getoption("--record"):
        if not path or compared(text) != compared(path.read_text(encoding="utf-8")):
            (GOLDEN / f"{step}-{server.source.stem}.txt").write_text(text, encoding="utf-8")
        return
    assert path, "not recorded yet: python3 -m pytest harness/tests/test_golden.py --record"
    before, now = compared(path.read_text(encoding="utf-8")), compared(text)
    changes = "\n".join(unified_diff(before, now, "recorded", "now", n=0, lineterm=""))
    assert not changes, f"{path.name}:\n{changes}\n\n{text}"
