"""The verbs of harness/lab. No logic: each reads its options, calls one function, sets the exit code."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn, Optional

import typer
from rich.console import Console

from echolab import bench as benchmark
from echolab import build, contenders, course
from echolab.grading import Interrupted, Target, grade
from echolab.report import Report, Status, figures, json, terminal
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
    return 0 if found == {Status.PASS} else FAILED


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
def bench(
    lessons: Optional[list[str]] = typer.Argument(
        None, metavar="[LESSON…]", help="1 to 4; all models if it is left out."
    ),
    mine: bool = typer.Option(False, "--mine", help="Measure your own servers too."),
    server: Optional[str] = typer.Option(
        None, metavar="'CMD … {port} …'", help="Measure any program too, as one of LESSON's model."
    ),
    port: Optional[int] = typer.Option(
        None, metavar="N", min=1, max=65535, help="The port that CMD uses, if it is fixed."
    ),
    quick: bool = typer.Option(False, "--quick", help="Less of everything: about a minute."),
    repeat: Optional[int] = typer.Option(
        None, metavar="N", min=1, help="How often each figure is measured."
    ),
    peers: bool = typer.Option(True, help="Compare with the servers of others that are installed."),
    json_file: Optional[Path] = typer.Option(
        None, "--json", metavar="FILE", help="Write the figures as JSON too; - for stdout."
    ),
    plots: Optional[Path] = typer.Option(
        None, "--plots", metavar="DIR", help="Draw them too, as PNG and SVG."
    ),
    docs: bool = typer.Option(False, "--docs", help="Write the tables and plots of the docs."),
) -> None:
    """Measure the finished servers, and those of others, against each other."""
    console = Console(stderr=json_file == Path("-"), highlight=False)
    code = 0
    try:
        asked = [course.find(text) for text in lessons or []]
        if any(step for _, step in asked):
            raise course.UnknownLesson("bench measures whole lessons: 2, not 2.1")
        chosen = [lesson for lesson, _ in asked] or list(course.lessons())
        if port and not server:
            raise CommandError("--port goes with --server")
        if server and len(chosen) != 1:
            raise CommandError("--server needs the lesson whose model it has: bench 2 --server …")
        more = [contenders.given(server, port, chosen[0])] if server else []
        if plots or docs:
            from echolab.report import plots as drawing
        settings = benchmark.QUICK if quick else benchmark.Settings()
        if repeat:
            settings = replace(settings, repeat=repeat)
        with contenders.scratch() as folder, console.status("building", spinner="line") as status:
            found, absent = contenders.gather(chosen, mine, more, peers, Path(folder))
            running = benchmark.Bench(found, chosen, settings, status.update)
            running.comparison.absent = absent
            try:
                running.run()
            except KeyboardInterrupt:
                code = INTERRUPTED
        figures.write(running.comparison, console)
        if json_file:
            _write(json_file, running.comparison.as_json())
        if plots:
            drawing.write(running.comparison, plots)
        if docs:
            figures.write_docs(running.comparison, course.ROOT / "docs" / "generated")
            drawing.write(running.comparison, course.ROOT / "docs" / "generated")
    except (course.UnknownLesson, CommandError) as error:
        _leave(USAGE, str(error))
    except ImportError:
        _leave(TROUBLE, "plots need matplotlib: apt-get install python3-matplotlib")
    except build.CompileError as error:
        _leave(FAILED, f"it does not compile:\n{error}")
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")
    if code == INTERRUPTED:
        _leave(INTERRUPTED, "stopped: the figures are of what was measured before")
    if any(row.ours and row.problems for row in running.comparison.rows):
        raise typer.Exit(FAILED)


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
