"""The verbs of harness/lab. No logic: each reads its options, calls one function, sets the exit code."""

import importlib.util
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, Optional

import click
import typer
import typer.core
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.progress import Progress as ProgressBar

from echolab import bench as benchmark
from echolab import (
    build,
    contenders,
    course,
    coverage,
    exporting,
    guide,
    output,
    pages,
    scenarios,
    site,
    stubs,
    tracing,
)
from echolab.grading import Interrupted, Target, grade
from echolab.known import Verdict, catalogue
from echolab.progress import Progress, remember
from echolab.prove import Proof
from echolab.prove import prove as prove_all
from echolab.regions import RegionError
from echolab.report import Report, Status, classroom50, figures, gradescope, json, junit, prairielearn, terminal
from echolab.report import proof as proof_table
from echolab.server import Command, CommandError
from echolab.timeline import text
from echolab.verdict import GraderTrouble

FAILED, USAGE, TROUBLE, INTERRUPTED = 1, 2, 3, 130
# What a package of `lab export` may lack, by the verbs that need it.
_NEEDED = {
    "prove": "harness/mutants", "bench": "harness/load", "test": "harness/tests", "docs": "docs/package.json",
    "class": "solutions", "export": "harness/platforms",
}  # fmt: skip


class _AsWritten(typer.core.TyperGroup):
    """Lists the verbs in the order in which they stand here, a student's first; Ctrl-C ends each with 130."""

    def invoke(self, ctx: typer.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("lab: stopped", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None

    def list_commands(self, ctx: object) -> list[str]:
        return [name for name in self.commands if _is_here(name)]

    def get_command(self, ctx: typer.Context, name: str) -> click.Command | None:  # type: ignore[override]
        if not _is_here(name):
            print(f"lab: {name} is not in this package, which has no {_NEEDED[name]}", file=sys.stderr)
            raise SystemExit(TROUBLE)
        command = super().get_command(ctx, name)
        for parameter in command.params if command else []:
            if parameter.default is None:  # "[default: None]" tells a reader nothing
                parameter.show_default = False  # type: ignore[attr-defined]
        return command


def _is_here(verb: str) -> bool:
    return verb not in _NEEDED or (course.ROOT / _NEEDED[verb]).exists()


app = typer.Typer(
    cls=_AsWritten,
    help="""Echo Lab: finish real TCP servers, and see whether they hold.

    \b
    Open lessons/1-single-process/server.cpp, finish its step 1, and ask:
      harness/lab check 1      what is right, what is wrong, where and why
      harness/lab check 1.4    the same for one step
      harness/lab hint 1.4     what to think about when you are stuck

    `harness/lab check --help` says more of a command.""",
    epilog="Exit codes: 0 everything passed, 1 something failed, 2 wrong usage, "
    "3 the grader could not do its work, 130 stopped with Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def lab() -> None:
    pass


def _lessons(incomplete: str) -> list[tuple[str, str]]:
    known = [(str(lesson.number), lesson.title) for lesson in course.lessons()]
    return [(name, title) for name, title in known + _steps("") if name.startswith(incomplete)]


def _steps(incomplete: str) -> list[tuple[str, str]]:
    known = [(step.id, step.title) for lesson in course.lessons() for step in lesson.steps]
    return [(name, title) for name, title in known if name.startswith(incomplete)]


@app.command()
def check(
    lesson: Optional[str] = typer.Argument(
        None,
        metavar="[LESSON[.STEP]]",
        help="1 or 1.4; all lessons if it is left out.",
        autocompletion=_lessons,
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
        None,
        metavar="N",
        min=1,
        max=65535,
        help="The port that CMD uses, if it is fixed.",
    ),
    json_file: Optional[Path] = typer.Option(
        None,
        "--json",
        metavar="FILE",
        help="Write the report as JSON too; - for stdout.",
    ),
    watch: bool = typer.Option(
        False, "--watch", help="Stay, and grade again on every save: the changed step first."
    ),
    html_file: Optional[Path] = typer.Option(
        None, "--html", metavar="FILE", help="Write it as one HTML page too."
    ),
    junit_file: Optional[Path] = typer.Option(
        None, "--junit", metavar="FILE", help="Write it as JUnit XML too; - for stdout."
    ),
    gradescope_file: Optional[Path] = typer.Option(
        None, "--gradescope", metavar="FILE", help="Write it as Gradescope's results.json too."
    ),
    prairielearn_file: Optional[Path] = typer.Option(
        None, "--prairielearn", metavar="FILE", help="Write it as PrairieLearn's results.json too."
    ),
    classroom50_file: Optional[Path] = typer.Option(
        None, "--classroom50", metavar="FILE", help="Write it as Classroom 50's result.json too."
    ),
    witness: bool = typer.Option(
        True,
        "--witness/--no-witness",
        help="Try failed checks once more with a witness inside the server, for the line that is to "
        "blame; it changes no verdict.",
    ),
) -> None:
    """Build and grade your lessons.

    A step that fails says what was expected, what was seen, why, and where to read on. One that
    is right but hidden behind another has its points all the same.
    """
    files = [
        (json_file, json.write),
        (junit_file, junit.write),
        (gradescope_file, gradescope.write),
        (prairielearn_file, prairielearn.write),
        (classroom50_file, classroom50.write),
    ]
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
        if solutions and not (course.ROOT / "solutions").exists():
            _leave(TROUBLE, "--solutions: they are not in this package")
        targets = _targets(lesson, solutions, server, port)
        if watch and (server or wanted):
            raise CommandError(
                "--watch shows what it sees; it goes with a lesson or --solutions only"
            )
    except (course.UnknownLesson, CommandError) as error:
        _leave(USAGE, str(error))
    if watch:
        _watch(targets[0][0].lesson if lesson else None, solutions, console)
    reports: list[Report] = []
    code = 0
    if not lesson:
        terminal.write_progress(
            [Progress.load().summary(found) for found in course.lessons()], console
        )
    try:
        for target, step in targets:
            with console.status("building", spinner="line") as status:
                report = grade(target, step, status.update, explain=witness)
            reports.append(report)
            if not lesson and not solutions and _passed_over(target.lesson):
                terminal.write_summary(report, console)
            else:
                terminal.write(report, console)
            if not solutions and not server:
                remember(target.lesson, report)
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


def _watch(lesson: course.Lesson | None, solutions: bool, console: Console) -> NoReturn:
    try:
        from echolab.watch import watch  # the one verb that needs watchdog
    except ImportError as error:
        _leave(TROUBLE, f"{error.name} is not installed; harness/lab check --watch installs it")
    try:
        watch(lesson, solutions, console)
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        pass
    _leave(INTERRUPTED, "stopped")


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


def _passed_over(lesson: course.Lesson) -> bool:
    """Whether there is nothing to say of a lesson yet: nobody has begun it, and it is not the next."""
    current = Progress.load().current()
    return stubs.untouched(lesson) and not (current and current.lesson == lesson.number)


def _exit_code(reports: list[Report]) -> int:
    found = {check.status for report in reports for check in report.checks}
    if Status.ERROR in found or not found:
        return TROUBLE
    return 0 if found == {Status.PASS} and all(report.whole for report in reports) else FAILED


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
    jobs: int = typer.Option(0, metavar="N", min=0, help="So many side by side; 0: two for each processor."),
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
    graded = len(rows) - len(troubled)
    page = out / gradebook_files.PAGE
    console.print(f"{graded} submission{'' if graded == 1 else 's'} graded: {page}")
    for row in troubled:
        console.print(f"not graded: {row.student}: {row.trouble}", markup=False)
    raise typer.Exit(FAILED if troubled else 0)


@app.command()
def export(
    target: str = typer.Argument(
        ..., metavar="TARGET", autocompletion=lambda: list(exporting.TARGETS),
        help="gradescope, prairielearn, classroom50 or student.",
    ),
    out: Optional[Path] = typer.Option(
        None, "--out", metavar="DIR", help="The new folder of the package; echo-lab-TARGET if it is left out."
    ),
    lesson: Optional[int] = typer.Option(
        None, "--lesson", metavar="N", help="What is graded: this lesson only. For student: the lessons up to this one."
    ),
    image: str = typer.Option(
        "echo-lab-grader", "--image", metavar="NAME", help="For prairielearn: the name of the grader's image."
    ),
) -> None:
    """Make a package that is ready for a platform, or for students."""
    folder = out or Path(f"echo-lab-{target}")
    try:
        only = course.find(str(lesson))[0] if lesson is not None else None
        exporting.export(target, folder, exporting.Order(only, image))
    except (course.UnknownLesson, exporting.WrongUsage) as error:
        _leave(USAGE, str(error))
    except exporting.NotExported as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")
    print(folder / "autograder.zip" if target == "gradescope" else folder)


@app.command(hidden=True, context_settings={"ignore_unknown_options": True})
def platform(arguments: list[str] = typer.Argument(None)) -> None:
    """Grade one submission as a platform does: see platforms.py."""
    from echolab import platforms

    raise typer.Exit(platforms.main(arguments or []))


def _part(help: str) -> Any:
    return typer.Argument(..., metavar="LESSON[.STEP]", help=help, autocompletion=_lessons)


_STEP = typer.Argument(
    None,
    metavar="[STEP]",
    help="2.3; the one that comes next if it is left out.",
    autocompletion=_steps,
)


def _chosen(text: str | None) -> tuple[course.Lesson, course.Step]:
    try:
        progress = Progress.load()
        lesson, step = course.find(text) if text else (None, progress.current())
        if lesson and not step:
            step = progress.next_step(lesson)
    except course.UnknownLesson as error:
        _leave(USAGE, str(error))
    if not step:
        _leave(USAGE, "everything is done; name a step, for example 2.3")
    return course.find(step.id)[0], step


@app.command()
def hint(
    step: Optional[str] = _STEP,
    everything: bool = typer.Option(False, "--all", help="All of the step's hints."),
) -> None:
    """Show the next hint for a step.

    There are two or three; the last one nearly gives the answer.
    """
    lesson, chosen = _chosen(step)
    shown = guide.hints(chosen, everything)
    terminal.write_hints(chosen, shown, lesson.where(chosen), Console(highlight=False))


@app.command()
def unit(
    what: str = _part("2, or 2.3 for one step."),
) -> None:
    """Run the unit tests of a lesson or step.

    They try its functions one by one, without a server around them.
    """
    try:
        raise typer.Exit(build.unit(*course.find(what)))
    except course.UnknownLesson as error:
        _leave(USAGE, str(error))
    except build.CompileError as error:
        _leave(FAILED, f"it does not compile:\n{error}")
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")


@app.command()
def show(
    step: Optional[str] = _STEP,
    diff: bool = typer.Option(False, "--diff", help="What differs from your chapter."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask first."),
) -> None:
    """Show the solution of a step.

    Read it when you are done, to compare; or when you have tried for long.
    """
    lesson, chosen = _chosen(step)
    console = Console(highlight=False)
    if not yes and not _agreed(f"Show the solution of step {chosen.id}, {chosen.title}?"):
        _leave(0, f"not shown; harness/lab hint {chosen.id} gives less away")
    try:
        terminal.write_code(
            *guide.difference(lesson, chosen) if diff else guide.chapter(lesson, chosen), console
        )
    except (guide.NotHere, RegionError) as error:
        _leave(TROUBLE if isinstance(error, guide.NotHere) else FAILED, str(error))


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        _leave(USAGE, "nobody is there to be asked; --yes does without")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False
    except KeyboardInterrupt:
        print()
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def reset(
    what: str = _part("2.3 for one chapter, 2 for the whole file."),
) -> None:
    """Put a chapter, or a file, back as it was.

    It becomes what was handed out; a copy of your file is kept beside it.
    """
    try:
        lesson, step = course.find(what)
    except course.UnknownLesson as error:
        _leave(USAGE, str(error))
    name = f"Step {step.id}" if step else str(lesson.source().relative_to(course.ROOT))
    try:
        kept = stubs.put_back(lesson, step)
    except RegionError as error:
        _leave(
            FAILED,
            f"{error}; harness/lab reset {lesson.number} puts the whole file back, and keeps a copy",
        )
    except stubs.NoStub as error:
        _leave(TROUBLE, str(error))
    except OSError as error:
        _leave(TROUBLE, f"cannot write {error.filename}: {error.strerror}")
    print(f"{name} is as it was handed out.")
    if kept:
        print(f"Your file as it was: {kept.relative_to(course.ROOT)}")


@app.command()
def completion(
    shell: str = typer.Argument(
        ...,
        metavar="bash|zsh|fish",
        autocompletion=lambda: ["bash", "zsh", "fish"],
    ),
) -> None:
    """Have the Tab key complete lessons and steps.

    \b
    Prints a script for your shell. Put this into ~/.bashrc, with the path of your copy:
      eval "$(harness/lab completion bash)"
    """
    found = get_completion_class(shell)
    if not found:
        _leave(USAGE, f"there is no completion for {shell!r}; there is for bash, zsh and fish")
    script = found(typer.main.get_command(app), {}, "lab", "_LAB_COMPLETE").source()
    # Typer puts these words the other way round than Click, whose script this is.
    print(script.replace(f"{shell}_complete", f"complete_{shell}"))


@app.command()
def prove(
    names: Optional[list[str]] = typer.Argument(
        None, metavar="[NAME…]", help="Only the servers whose name contains one of these: 2- forks."
    ),
    runs: int = typer.Option(1, metavar="N", min=1, help="Grade each server so often."),
    jobs: int = typer.Option(0, metavar="N", min=0, help="So many at a time; 0: one a processor."),
    stress: Optional[str] = typer.Option(
        None, metavar="busy|half", help="With every processor busy, or with half of one for all."
    ),
    short: bool = typer.Option(
        False,
        "--short",
        help="A few wrong servers that fail every check between them, by those steps only that they must fail.",
    ),
    gaps: bool = typer.Option(
        False, "--gaps", help="Grade nothing: list the checks that no wrong server fails."
    ),
    record: Optional[Path] = typer.Option(
        None, metavar="FILE", help="Keep each run in FILE, and go on where a proof with it was stopped."
    ),
    markdown: Optional[Path] = typer.Option(
        None, metavar="FILE", help="Write the table as Markdown too."
    ),
    docs: bool = typer.Option(False, "--docs", help="Write the table of the docs."),
) -> None:
    """Grade the grader: every wrong server has to fail for its reason, every right one to pass."""
    if stress not in (None, "busy", "half"):
        _leave(USAGE, f"--stress {stress}: it is busy or half")
    chosen = [s for s in catalogue() if not names or any(name in s.id for name in names)]
    if not chosen:
        _leave(USAGE, f"no server's name contains {' or '.join(names or [])}")
    if gaps:
        found = coverage.unproven(catalogue())
        print("\n".join(found) or "every check is failed by a wrong server")
        raise typer.Exit(FAILED if found else 0)
    if docs and (names or short):
        _leave(USAGE, "--docs is for the whole proof")
    if short:
        chosen = coverage.fewest(chosen)
    console = Console(highlight=False)
    start = time.monotonic()
    graded: dict[str, Proof] = {}
    try:
        with ProgressBar(console=console, transient=True) as bar:
            task = bar.add_task("building", total=runs * len(chosen))

            def done(proof: Proof, verdict: Verdict) -> None:
                graded[proof.server.id] = proof
                bar.update(task, advance=1, description=proof.server.id)
                if verdict is not Verdict.RIGHT:
                    bar.console.print(f"{proof.server.id}: {verdict.value}")

            proofs = prove_all(chosen, runs=runs, jobs=jobs, stress=stress, short=short, record=record, done=done)
    except KeyboardInterrupt:
        proof_table.write(list(graded.values()), console)
        _leave(INTERRUPTED, "stopped: the table is of what was graded before")
    except (GraderTrouble, build.CompileError) as error:
        _leave(TROUBLE, str(error))
    proof_table.write(proofs, console)
    if markdown:
        _write(markdown, proof_table.markdown(proofs))
    if docs:
        command = f"harness/lab prove --runs {runs}" + (f" --stress {stress}" if stress else "")
        try:
            seconds = None if record else time.monotonic() - start
            proof_table.write_docs(proofs, stress, command, seconds, course.ROOT / "docs" / "generated")
        except output.NotWritable as error:
            _leave(TROUBLE, str(error))
    raise typer.Exit(0 if all(proof.is_right for proof in proofs) else FAILED)


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
    docs: bool = typer.Option(False, "--docs", help="Write the tables and plots of the docs; takes twice as long."),
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
        settings = benchmark.QUICK if quick else benchmark.DOCS if docs else benchmark.Settings()
        if repeat:
            settings = replace(settings, repeat=repeat)
        with contenders.scratch() as folder, console.status("building", spinner="line") as status:
            found, absent = contenders.gather(chosen, mine, more, peers, Path(folder))
            said: set[str] = set()

            def say(text: str) -> None:
                status.update(text)
                turn = text.partition(":")[0]
                if not console.is_terminal and turn not in said:  # nobody sees the status: a line a turn
                    print(f"lab bench: {turn}", file=sys.stderr)
                said.add(turn)

            running = benchmark.Bench(found, chosen, settings, say)
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
    """Run the project's own tests.

    They must pass before a change lands.
    """
    try:
        raise typer.Exit(build.test(names or []))
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")


@app.command()
def docs(
    serve: bool = typer.Option(False, "--serve", help="Build the site, then show it."),
    port: int = typer.Option(
        8000, metavar="N", min=1, max=65535, help="With --serve: the port to show it on."
    ),
    figures: bool = typer.Option(
        False, "--figures", help="Draw the timelines anew, each from a run of the solution."
    ),
    translations: bool = typer.Option(
        False, "--translations", help="Say which Chinese pages are behind the English ones."
    ),
    translated: Optional[Path] = typer.Option(
        None, metavar="PAGE", help="Note that this Chinese page is up to date now."
    ),
) -> None:
    """Build the annotated docs as a site."""
    try:
        if translated:
            pages.Page(translated.resolve()).mark_translated()
        elif translations:
            stands = site.translations()
            for page, stand in stands:
                print(f"{page.name}: {stand}")
            raise typer.Exit(0 if all(stand == "up to date" for _, stand in stands) else FAILED)
        elif figures:
            site.draw_figures(print)
        else:
            site.build(print)
            if serve:
                raise typer.Exit(site.serve(port, print))
    except (pages.PageError, site.BuildFailed, OSError, ValueError) as error:
        _leave(FAILED, str(error))
    except GraderTrouble as error:
        _leave(TROUBLE, str(error))
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "stopped")


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows ASCII only shows "?" for what it cannot, instead of ending us.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app(prog_name="lab")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            # Who interrupts does not wait for builds that go on beside us: they end with us.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise
