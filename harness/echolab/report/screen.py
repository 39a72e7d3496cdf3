"""A Report on one screen, for who has it beside the editor all day: one step in full, the others in a line each."""

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from echolab.course import Lesson, Step, lessons
from echolab.report import CheckResult, Report, Status, StepResult
from echolab.report.terminal import check_rows, in_whole, mark

_LEAST_DETAIL = 6  # lines


class Screen:
    """What is shown while a lesson is watched; `focus` is the step that is shown in full."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.focus: Step | None = None
        self.report: Report | None = None
        self.doing: str | None = None  # while a grading runs
        self.stale = False  # the report is about what was saved before
        self.saved = ""  # the time of day

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = (options.height or console.height) - 1
        head, foot = self._head(), self._foot()
        steps = (
            Group(*(self._step_line(step, console) for step in self.report.steps))
            if self.report
            else Group()
        )
        taken = sum(
            len(console.render_lines(part, options.update(height=None)))
            for part in (head, steps, foot)
        )
        detail = console.render_lines(self._detail(console), options.update(height=None))
        room = max(_LEAST_DETAIL, height - taken)
        if len(detail) > room:
            more = Text(f"… harness/lab check {self.lesson.number} shows all of it", "dim")
            detail = detail[: room - 1] + console.render_lines(more, options.update(height=None))
        yield head
        for line in detail:
            yield from line
            yield Text("")
        yield steps
        yield foot

    def _head(self) -> RenderableType:
        title = Text(f"Lesson {self.lesson.number}, {self.lesson.title}", "bold")
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right")
        points = Text()
        if self.report and not self.doing:
            full = self.report.score == self.report.max_score and self.report.whole
            points = Text(
                f"{self.report.score:g} of {self.report.max_score} points",
                "bold green" if full else "bold red",
            )
        line.add_row(title, points)
        saved = f"saved {self.saved} · " if self.saved else ""
        state = self.doing or (f"graded in {self.report.seconds:.1f} s" if self.report else "")
        return Group(line, Text(saved + state, "dim"), Text(""))

    def _foot(self) -> RenderableType:
        result = self._result(self.focus)
        step = self._next() if result and result.passed else self.focus
        stuck = f" · stuck? harness/lab hint {step.id}" if step else ""
        return Text(f"\nCtrl-C ends{stuck}", "dim")

    def _step_line(self, step: StepResult, console: Console) -> RenderableType:
        pending = self.stale or bool(self.doing) and any(_pending(check) for check in step.checks)
        sign = Text("…", "dim") if pending else mark(_status(step), console)
        line = Text.assemble(sign, f" {step.id} {step.title} ")
        if not pending:
            line.append(
                f"{step.score:g}/{step.points}", "green" if step.score == step.points else "red"
            )
        if step.note and not pending:
            line.append(f" · {step.note}", "dim")
        reason = None if pending else in_whole(step)
        return Group(line, Padding(reason, (0, 0, 0, 6))) if reason else line

    def _detail(self, console: Console) -> RenderableType:
        """The notes, and the step in focus: what it asks for, and its first failure in full."""
        if self.stale:
            return Group()
        notes = self.report.notes if self.report else []
        parts: list[RenderableType] = [Text(f"{note}\n", "yellow") for note in notes]
        result = self._result(self.focus)
        if self.report and not self.doing and (not result or result.passed):
            if result:
                parts.append(Text(f"{result.id} {result.title}: done", "bold green"))
            return Group(*parts, Text(""), *self._what_next(), Text(""))
        if not self.focus or not result:
            return Group(*parts)
        parts += [Text(f"{result.id} {result.title}", "bold"), _indented(self.focus.goal, "italic")]
        explained = False
        untried = all(check.status is Status.BLOCKED for check in result.checks)
        for check in result.checks:
            if check.status is Status.PASS or _pending(check):
                continue
            if untried:
                parts.append(
                    Text.assemble(
                        "  ", mark(check.status, console), f" could not be tried: {check.observed}"
                    )
                )
                break
            why = (
                f": could not be tried: {check.observed}" if check.status is Status.BLOCKED else ""
            )
            parts.append(Text.assemble("  ", mark(check.status, console), f" {check.title}{why}"))
            if check.status in (Status.FAIL, Status.ERROR) and not explained:
                parts.append(check_rows(check, 6, about=False))
                explained = True
        passed = sum(check.status is Status.PASS for check in result.checks)
        if passed:
            count = f" {passed} of {len(result.checks)} checks pass"
            parts.append(Text.assemble("  ", mark(Status.PASS, console), count))
        return Group(*parts, _indented(f"read  {self.focus.docs}", "cyan"), Text(""))

    def _what_next(self) -> list[RenderableType]:
        """The step to go on with; after the last, the next lesson."""
        if follow := self._next():
            where = self.lesson.where(follow)
            place = [_indented(f"{where[0]}:{where[1]}", "cyan")] if where else []
            return [
                Text(f"Next: {follow.id} {follow.title}", "bold"),
                _indented(follow.goal),
                *place,
            ]
        if not self.report or not self.report.whole:
            return []
        after = next((other for other in lessons() if other.number > self.lesson.number), None)
        follow_up = [Text(f"Next: lessons/{after.slug}/README.md", "bold")] if after else []
        return [Text("The lesson is finished.", "bold green"), *follow_up]

    def _result(self, step: Step | None) -> StepResult | None:
        found = (r for r in (self.report.steps if self.report else []) if step and r.id == step.id)
        return next(found, None)

    def _next(self) -> Step | None:
        """The first step that is not done."""
        return next(
            (step for step in self.lesson.steps if (r := self._result(step)) and not r.passed), None
        )


def _pending(check: CheckResult) -> bool:
    return check.status is Status.BLOCKED and check.observed == "not tried"


def _status(step: StepResult) -> Status:
    found = {check.status for check in step.checks}
    return next(
        (status for status in (Status.ERROR, Status.FAIL, Status.BLOCKED) if status in found),
        Status.PASS,
    )


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style), (0, 0, 0, 2), expand=False)
