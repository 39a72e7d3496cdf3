"""A Report for the person in front of the terminal."""

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from echolab.course import Step
from echolab.report import NOT_BEGUN, CheckResult, Report, Status, StepResult
from echolab.timeline import text as timeline_text

_MARKS = {
    Status.PASS: ("✓", "+", "green"),
    Status.FAIL: ("✗", "x", "red"),
    Status.BLOCKED: ("·", "-", "yellow"),
    Status.ERROR: ("!", "!", "magenta"),
}
_EVENTS_OF_A_FAILURE = 14


def write_progress(lines: list[tuple[str, ...]], console: Console) -> None:
    """One line a lesson, in columns, and an empty one."""
    table = Table.grid(padding=(0, 2))
    for style in ("bold", "", "", ""):
        table.add_column(style=style, no_wrap=True)
    for words in lines:
        table.add_row(*map(Text, words))
    console.print(table)
    console.print()


def write_hints(
    step: Step, hints: list[str], where: tuple[str, int] | None, console: Console
) -> None:
    """The hints that are to be shown now, and what to do next."""
    console.print(
        Text(f"Step {step.id}, {step.title}", "bold"), f"· {where[0]}:{where[1]}" if where else ""
    )
    for text in hints or [
        f"All {len(step.hints)} hints were shown before: harness/lab hint {step.id} --all"
    ]:
        console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
    rows = {"read": step.docs}
    if not hints or hints[-1].startswith(f"Hint {len(step.hints)} "):
        rows["solution"] = f"harness/lab show {step.id}"
    console.print(_rows(rows, 2))


def write_code(text: str, language: str, console: Console) -> None:
    """Source code, in colours where they are wanted and unchanged elsewhere."""
    if console.is_terminal:
        console.print(
            Syntax(text, language, theme="ansi_dark", background_color="default", word_wrap=True)
        )
    else:
        print(text)


def write_summary(report: Report, console: Console) -> None:
    """A lesson that nobody has worked on yet, in one line."""
    title = Text(f"Lesson {report.lesson}, {report.title}", "bold")
    console.print(title, f"· not begun: {report.score:g} of {report.max_score} points")


def write(report: Report, console: Console) -> None:
    """The whole report: each step with its checks, and the first step that failed explained."""
    console.print(Text(f"Lesson {report.lesson}, {report.title}", "bold"), f"· {report.server}")
    explained = _to_explain(report)
    if len(report.having(Status.BLOCKED)) < len(report.checks):
        for step in report.steps:
            _write_step(step, console, explain=step is explained)
    for note in report.notes:
        console.print(Text(note, "yellow"), soft_wrap=True)
    _write_end(report, explained, console)


def _failed(step: StepResult) -> bool:
    return any(check.status in (Status.FAIL, Status.ERROR) for check in step.checks)


def _to_explain(report: Report) -> StepResult | None:
    """The first step with a failure: those after it often fail for the same reason. Of those that
    have been begun, if there is one."""
    for wanted in (Status.ERROR, Status.FAIL):
        for step in sorted(report.steps, key=lambda step: step.note == NOT_BEGUN):
            if any(check.status is wanted for check in step.checks):
                return step
    return None


def _write_step(step: StepResult, console: Console, explain: bool) -> None:
    passed = step.score == step.points
    score = Text(f"{step.score:g}/{step.points}", "green" if passed else "red")
    note = Text(f"· {step.note}" if step.note else "", "dim")
    console.print(Text(f"{step.id} {step.title}", "bold"), score, note)
    if line := in_whole(step):
        console.print(Padding(line, (0, 0, 0, 2), expand=False))
    reasons = {check.observed for check in step.checks if check.status is Status.BLOCKED}
    if len(reasons) == 1 and all(check.status is Status.BLOCKED for check in step.checks):
        _write_line(Status.BLOCKED, f"could not be tried: {reasons.pop()}", console)
    elif not passed and (explain or step.note != NOT_BEGUN):
        for check in step.checks:
            _write_check(check, console, explain)
        if explain:
            _write_help(step, console)


def mark(status: Status, console: Console) -> Text:
    """The sign of a status, as far as the terminal knows it."""
    fancy, plain, colour = _MARKS[status]
    return Text(fancy if _is_fancy(console) else plain, colour)


def in_whole(step: StepResult) -> Text | None:
    """Why a chapter that is right by itself does not do in the student's whole server."""
    if not step.passed or not step.in_whole:
        return None
    first = step.in_whole[0]
    return Text(f"in your whole server: {first.title}: {first.cause}", "dim")


def _write_line(status: Status, text: str, console: Console) -> None:
    line = Table.grid(padding=(0, 1))
    line.add_row(Text.assemble("  ", mark(status, console)), Text(text))
    console.print(line)


def _write_check(check: CheckResult, console: Console, explain: bool) -> None:
    why = f": could not be tried: {check.observed}" if check.status is Status.BLOCKED else ""
    _write_line(check.status, check.title + why, console)
    if check.status is Status.ERROR or (check.status is Status.FAIL and explain):
        console.print(check_rows(check, 6))
        _write_timeline(check, console)


def _write_timeline(check: CheckResult, console: Console) -> None:
    """The last things that happened before it failed."""
    if not check.timeline or not check.timeline.saw_the_server:
        return
    drawn = timeline_text.write(
        check.timeline,
        width=console.width - 6,
        most_rows=_EVENTS_OF_A_FAILURE,
        only_the_last=True,
        fancy=_is_fancy(console),
    )
    console.print(Padding(Text(drawn, no_wrap=True), (1, 0, 1, 6), expand=False))


def _is_fancy(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")


def check_rows(check: CheckResult, indent: int, about: bool = True) -> RenderableType:
    """What a check is about, what it expected and what it saw."""
    rows = {
        "": check.about if about else None,
        "expected": check.expected,
        "observed": check.observed,
        "cause": check.cause,
        "where": _place(check),
    }
    return _rows(rows, indent)


def _write_help(step: StepResult, console: Console) -> None:
    """Where to look: the same for all failures of a step."""
    failed = next((check for check in step.checks if check.status is Status.FAIL), None)
    if failed:
        console.print(_rows({"read": failed.docs, "hint": failed.hint}, 2))


def _place(check: CheckResult) -> str | None:
    return f"{check.where.file}:{check.where.line}" if check.where else None


def _rows(rows: Mapping[str, str | None], indent: int) -> RenderableType:
    parts: list[RenderableType] = []
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=8)
    for name, text in rows.items():
        if text and name:
            table.add_row(Text(name, "cyan"), Text(text, overflow="fold"))
        elif text:
            parts.append(Padding(Text(text, "italic"), (0, 0, 0, indent), expand=False))
    return Group(*parts, Padding(table, (0, 0, 0, indent), expand=False))


def _write_end(report: Report, explained: StepResult | None, console: Console) -> None:
    colour = "green" if report.score == report.max_score and report.whole else "red"
    line = Text.assemble((f"{report.score:g} of {report.max_score} points", f"bold {colour}"))
    counts = {
        "failed": len(report.having(Status.FAIL)),
        "could not be tried": len(report.having(Status.BLOCKED)),
        "not decided: the grader's own trouble": len(report.having(Status.ERROR)),
    }
    line.append("".join(f", {count} {name}" for name, count in counts.items() if count))
    line.append(f" ({report.seconds:.1f} s)", "dim")
    console.print(line)
    if explained:
        begun = [
            s.id for s in report.steps if s is not explained and _failed(s) and s.note != NOT_BEGUN
        ]
        more = f" To read more of another: harness/lab check {begun[0]}" if begun else ""
        hint = (
            f" Stuck: harness/lab hint {explained.id}."
            if report.server.startswith("lessons/")
            else ""
        )
        console.print(f"Begin with step {explained.id}.{hint}{more}", soft_wrap=True)
