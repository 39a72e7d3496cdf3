"""The verbs of harness/lab. No logic: each reads its options, calls one function, sets the exit code."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import NoReturn, Optional

import typer
from rich.console import Console

from echolab import build, course, output, scenarios, tracing
from echolab.grading import Interrupted, Target, grade
from echolab.report import Report, Status, json, junit, terminal
from echolab.server import Command, CommandError
from echolab.timeline import text
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
    witness: bool = typer.Option(
        True,
        "--witness/--no-witness",
        help="Try failed checks once more with a witness inside the server, for the line that is to "
        "blame; it changes no verdict.",
    ),
    html_file: Optional[Path] = typer.Option(
        None, "--html", metavar="FILE", help="Write it as one HTML page too."
    ),
    junit_file: Optional[Path] = typer.Option(
        None, "--junit", metavar="FILE", help="Write it as JUnit XML too; - for stdout."
    ),
) -> None:
    """Build and grade your lessons."""
    files = [(json_file, json.write), (junit_file, junit.write)]
    if html_file:
        _need_jinja2("--html")
        from echolab.report import html

        files.append((html_file, html.write))
    wanted = {path: write for path, write in files if path}
    if len(wanted) < sum(path is not None for path, _ in files):
        _leave(USAGE, "each report needs a file of its own")
    _refuse_unwritable(*wanted)
    to_stdout = output.STDOUT in wanted
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
                report = grade(target, step, status.update, explain=witness)
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
    for path, write in wanted.items():
        _write(path, write(reports))
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


def _refuse_unwritable(*paths: Path) -> None:
    try:
        for path in paths:
            output.check_writable(path)
    except output.NotWritable as error:
        _leave(USAGE, str(error))


def _need_jinja2(what: str) -> None:
    if not importlib.util.find_spec("jinja2"):
        _leave(TROUBLE, f"{what} needs Jinja2: apt-get install python3-jinja2")


def _write(path: Path, text: str) -> None:
    try:
        output.write_whole(path, text)
    except output.NotWritable as error:
        _leave(TROUBLE, str(error))


def _leave(code: int, message: str) -> NoReturn:
    print(f"lab: {message}", file=sys.stderr)
    raise typer.Exit(code)


@app.command(epilog="\n\n".join(["Scenarios, and the lessons that have them:", *scenarios.listing()]))
def trace(
    lesson: str = typer.Argument(..., metavar="LESSON", help="1, 2, …"),
    scenario: Optional[str] = typer.Option(
        None, metavar="NAME", help="What the clients do: one of those below."
    ),
    solutions: bool = typer.Option(False, "--solutions", help="The reference solution instead."),
    server: Optional[str] = typer.Option(
        None, metavar="'CMD … {port} …'", help="Any program instead, as for check."
    ),
    port: Optional[int] = typer.Option(
        None, metavar="N", min=1, max=65535, help="The port that CMD uses, if it is fixed."
    ),
    out: Optional[Path] = typer.Option(
        None,
        metavar="FILE",
        help="Draw into a file instead: .svg, .html, or .json for Perfetto (ui.perfetto.dev).",
    ),
) -> None:
    """Run a server and a few clients, and draw what happened."""
    console = Console(highlight=False, soft_wrap=False)
    try:
        [(target, step)] = _targets(lesson, solutions, server, port)
        if step:
            raise course.UnknownLesson(f"a whole lesson is traced: trace {target.lesson.number}")
        chosen = scenarios.find(target.lesson.number, scenario)
    except (course.UnknownLesson, CommandError, scenarios.UnknownScenario) as error:
        _leave(USAGE, str(error))
    if out and out.suffix not in tracing.FORMS:
        _leave(USAGE, f"--out {out}: the name has to end in {', '.join(tracing.FORMS)}")
    if out:
        _refuse_unwritable(out)
        if out.suffix == ".html":
            _need_jinja2(f"--out {out}")
    try:
        with console.status("building", spinner="line"):
            seen = tracing.trace(target, chosen)
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")
    except build.CompileError as error:
        _leave(FAILED, f"{target.name} does not compile:\n{error}")
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    if out:
        _write(out, tracing.document(seen, out.suffix, target, chosen))
    else:
        fancy = console.encoding.lower().startswith("utf")
        print(f"Lesson {target.lesson.number}, {chosen.name}: {chosen.shows}\n")
        print(text.write(seen.timeline, width=console.width, fancy=fancy))
    if seen.note:
        print(f"lab: {seen.note}", file=sys.stderr)
    if seen.trouble:
        _leave(FAILED, f"it ends early: {seen.trouble}")


@app.command("class")
def class_(
    source: Path = typer.Argument(
        ..., metavar="DIR", help="A folder, or an archive, of submissions: folders, zip and tar files, "
        "single server.cpp files; or what Gradescope, Moodle or Canvas let one download."
    ),
    out: Path = typer.Option(..., "--out", metavar="DIR", help="Where the gradebook is written."),
    lesson: Optional[int] = typer.Option(
        None, "--lesson", metavar="N", help="This one only; else all that anybody has handed in."
    ),
    jobs: int = typer.Option(
        os.cpu_count() or 1, "--jobs", metavar="N", min=1, help="How many are graded side by side."
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on: grade what is missing or has changed."),
    regrade: list[str] = typer.Option([], "--regrade", metavar="STUDENT", help="Grade this one again."),
    scheduler: Optional[str] = typer.Option(
        None, "--scheduler", metavar="tcp://HOST:PORT", help="Grade on a Dask cluster."
    ),
    seconds: float = typer.Option(
        900, "--seconds", metavar="S", min=1, help="The longest that one submission may take."
    ),
    no_sandbox: bool = typer.Option(
        False, "--no-sandbox", help="Grade although nothing protects this machine from a submission."
    ),
) -> None:
    """Grade every submission of a class."""
    from echolab import classroom, collecting  # what only a class needs
    from echolab.report import gradebook as gradebook_files

    console = Console(highlight=False, soft_wrap=True)
    try:
        only = course.find(str(lesson))[0] if lesson is not None else None
        class_ = collecting.collect(source, only)
        numbers = (only.number,) if only else classroom.lessons_handed_in(class_)
        settings = classroom.Settings(numbers, not no_sandbox, seconds)
        order = classroom.Order(resume, tuple(regrade))
        rows = classroom.grade_class(class_, out, settings, order, jobs, scheduler, console)
        gradebook_files.write(rows, numbers, out)
    except (course.UnknownLesson, collecting.CollectError, classroom.WrongUsage) as error:
        _leave(USAGE, str(error))
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except OSError as error:
        _leave(TROUBLE, f"{error.filename or out}: {error.strerror}")
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped; --resume goes on from here")
    troubled = [row for row in rows if row.trouble]
    console.print(f"{len(rows) - len(troubled)} submissions graded: {out / gradebook_files.PAGE}")
    for row in troubled:
        console.print(f"not graded: {row.student}: {row.trouble}", markup=False)
    raise typer.Exit(FAILED if troubled else 0)


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
