"""The verbs of harness/lab. No logic: each reads its options, calls one function, sets the exit code."""

import sys
from pathlib import Path
from typing import NoReturn, Optional

import typer
from rich.console import Console

from echolab import build, course
from echolab.grading import Interrupted, Target, grade
from echolab.report import Report, Status, json, terminal
from echolab.server import Command, CommandError
from echolab.verdict import GraderTrouble

FAILED, USAGE, TROUBLE, INTERRUPTED = 1, 2, 3, 130

app = typer.Typer(
    help="Echo Lab: finish real TCP servers, and see whether they hold.",
    epilog="Exit codes: 0 everything passed, 1 something failed, 2 wrong usage, "
    "3 the grader could not do its work.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def lab() -> None:
    pass


@app.command()
def check(
    lesson: Optional[str] = typer.Argument(
        None, metavar="[LESSON[.STEP]]", help="1 or 1.4; all lessons if it is left out."
    ),
    solutions: bool = typer.Option(
        False, "--solutions", help="Grade the reference solutions instead."
    ),
    server: Optional[str] = typer.Option(
        None,
        metavar="'CMD … {port} …'",
        help="Grade any program instead, in any language. {port} is filled in, and {host}, {slots} "
        "and {threads} where they are given.",
    ),
    port: Optional[int] = typer.Option(
        None, metavar="N", min=1, max=65535, help="The port that CMD uses, if it is fixed."
    ),
    json_file: Optional[Path] = typer.Option(
        None, "--json", metavar="FILE", help="Write the report as JSON too; - for stdout."
    ),
) -> None:
    """Build and grade your lessons."""
    to_stdout = json_file == Path("-")
    console = Console(stderr=to_stdout, highlight=False, soft_wrap=False)
    try:
        targets = _targets(lesson, solutions, server, port)
    except (course.UnknownLesson, CommandError) as error:
        _leave(USAGE, str(error))
    reports: list[Report] = []
    code = 0
    try:
        for target, step in targets:
            with console.status("building", spinner="line") as status:
                report = grade(target, step, status.update)
            reports.append(report)
            terminal.write(report, console)
    except Interrupted as stopped:
        reports.append(stopped.report)
        terminal.write(stopped.report, console)
        code = INTERRUPTED
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    if json_file:
        _write(json_file, json.write(reports))
    if code == INTERRUPTED:
        _leave(INTERRUPTED, "stopped: what is not listed as passed or failed was not tried")
    raise typer.Exit(_exit_code(reports))


def _targets(
    lesson: str | None, solutions: bool, server: str | None, port: int | None
) -> list[tuple[Target, course.Step | None]]:
    if port and not server:
        raise CommandError("--port goes with --server")
    if server and solutions:
        raise CommandError("--server and --solutions: only one of them can be graded")
    if server and not lesson:
        raise CommandError("--server needs a lesson to grade by, for example: check 1 --server …")
    command = Command.parse(server, port) if server else None
    chosen = [course.find(lesson)] if lesson else [(found, None) for found in course.lessons()]
    return [(Target(found, solutions, command), step) for found, step in chosen]


def _exit_code(reports: list[Report]) -> int:
    found = {check.status for report in reports for check in report.checks}
    if Status.ERROR in found or not found:
        return TROUBLE
    return 0 if found == {Status.PASS} and all(report.whole for report in reports) else FAILED


def _write(path: Path, text: str) -> None:
    if path == Path("-"):
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _leave(TROUBLE, f"cannot write {path}: {error.strerror}")


def _leave(code: int, message: str) -> NoReturn:
    print(f"lab: {message}", file=sys.stderr)
    raise typer.Exit(code)


@app.command()
def test(
    names: Optional[list[str]] = typer.Argument(None, help="Only these tests."),
) -> None:
    """Run the project's own tests: what must pass before a change lands."""
    try:
        raise typer.Exit(build.test(names or []))
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows ASCII only shows "?" for what it cannot, instead of ending us.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="lab")
