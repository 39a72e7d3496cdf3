"""Each step in its own right: the solution with only that chapter taken from the student.

What failed in the student's whole server, or could not be tried there, is tried again with
finished chapters around it, and the better of the two counts.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace

from echolab import stubs
from echolab.apart import Apart
from echolab.course import Lesson, Step
from echolab.regions import Region, scan
from echolab.report import NOT_BEGUN, CheckResult, Report, Status, StepResult
from echolab.verdicts import KeptVerdicts, Verdict

# Grades the server build.alone(lesson, step) by the checks of that step.
Grader = Callable[[Lesson, Step], list[CheckResult]]
# Builds those of these steps, with sanitizers too if so; the compiler's errors by step.
Builder = Callable[[Collection[Step], bool], dict[int, str]]
Progress = Callable[[str], None]


class Isolation:
    """The steps of one lesson by themselves: expect() those that fail, then isolate() them.

    A chapter that nobody has touched is not tried: it is known to be unfinished. So many steps are graded
    `at_once`; with 1 nothing is built meanwhile either.
    """

    def __init__(self, lesson: Lesson, build: Builder, grade: Grader, at_once: int) -> None:
        self._lesson, self._grade, self._at_once = lesson, grade, at_once
        self._mine = self._chapters()
        self._handed_out = stubs.chapters(lesson.of_the_course)
        self._possible = lesson.source(solutions=True).exists()
        self._kept = KeptVerdicts(lesson)
        self._building = Apart[tuple[Step, ...], dict[int, str]](build)
        self._wanted: dict[Step, bool] = {}
        self._asked: set[Step] = set()
        # What came of it: the compiler's errors, None, or why it could not be tried.
        self._built: dict[Step, str | Exception | None] = {}

    def __enter__(self) -> "Isolation":
        return self

    def __exit__(self, *_: object) -> None:
        self._building.close()

    def _chapters(self) -> dict[int, Region]:
        """The student's chapters as they are now; none if there is no file."""
        with suppress(OSError):
            return scan(self._lesson.source())[0]
        return {}

    def expect(self, step: Step, sanitized: bool) -> None:
        """Begins to build what isolate() needs for this step, if that may be done beside the grading."""
        if self._at_once == 1:
            return
        chapter = self._mine.get(step.number)
        if chapter and self._possible and not self._untouched(step) and not self._kept.find(step, chapter):
            self._want(step, sanitized)

    def _want(self, step: Step, sanitized: bool) -> None:
        if step not in self._asked:
            self._asked.add(step)
            self._wanted[step] = sanitized
            self.go_on()

    def go_on(self) -> None:
        """Builds, in one go, all that is wanted by now; but first those whose grading takes longest."""
        for steps, errors in self._building.ended(seconds=0):
            for step in steps:
                self._built[step] = errors if isinstance(errors, Exception) else errors.get(step.number)
        if self._wanted and not self._building:
            slow = tuple(step for step, sanitized in self._wanted.items() if sanitized)
            steps = slow or tuple(self._wanted)
            self._wanted = {step: sanitized for step, sanitized in self._wanted.items() if step not in steps}
            self._building.start(steps, steps, bool(slow))

    def _untouched(self, step: Step) -> bool:
        mine, pristine = self._mine.get(step.number), self._handed_out.get(step.number)
        return bool(mine and pristine and mine.lines == pristine.lines)

    def isolate(self, report: Report, progress: Progress, sanitized: Collection[int] = ()) -> None:
        """Grades the steps of `report` that have not passed, and has it say what came of it.

        `sanitized`: the numbers of the steps that are graded with sanitizers too, and take longest.
        Raises GraderTrouble, KeyboardInterrupt.
        """
        chosen: dict[Step, StepResult] = {}
        for result in report.steps:
            step = self._lesson.step(int(result.id.split(".")[1]))
            if result.passed or any(check.status is Status.ERROR for check in result.checks):
                continue
            if not self._lesson.source().exists():
                continue
            if step.number not in self._mine:
                result.note = "its #region markers are missing"
            elif self._untouched(step):
                result.note = NOT_BEGUN
            else:
                chosen[step] = result
        if chosen and not self._possible:
            report.notes.append(
                "Steps are not graded by themselves as well: the solutions are not here."
            )
            return
        known = {step: self._kept.find(step, self._mine[step.number]) for step in chosen}
        verdicts = {step: verdict for step, verdict in known.items() if verdict}
        unknown = [step for step in chosen if step not in verdicts]
        unknown.sort(key=lambda step: step.number not in sanitized)
        for step in unknown:
            self._want(step, step.number in sanitized)
        # What has taken long in the whole will take long again.
        unknown.sort(key=lambda step: -sum(check.seconds for check in chosen[step].checks))
        found = self._find_out(unknown, progress)
        now = self._chapters()
        for step, verdict in found.items():
            chapter = self._mine[step.number]
            if now.get(step.number) == chapter:  # else it was saved while it was built
                self._kept.keep(step, chapter, verdict)
        verdicts |= found
        right = [merged for step in chosen if (merged := _merge(chosen[step], verdicts[step]))]
        _say_what_holds_up(report, right)

    def _find_out(self, steps: list[Step], progress: Progress) -> dict[Step, Verdict]:
        """Grades all `steps`."""
        verdicts: dict[Step, Verdict] = {}
        to_do = list(steps)
        with Apart[Step, list[CheckResult]](self._grade) as running:
            while to_do or running:
                self.go_on()
                progress(f"{'building' if self._building else 'grading'} each step by itself")
                for step in [step for step in to_do if step in self._built]:
                    if len(running) == self._at_once or (self._at_once == 1 and self._building):
                        break
                    to_do.remove(step)
                    if isinstance(error := self._built[step], Exception):
                        raise error
                    if error:
                        verdicts[step] = Verdict(error=error)
                    else:
                        running.start(step, self._lesson, step)
                for step, results in running.ended(self._building):
                    if isinstance(results, Exception):
                        raise results
                    verdicts[step] = Verdict(tuple(results))
        return verdicts


def _merge(result: StepResult, verdict: Verdict) -> StepResult | None:
    """Takes the better of the two gradings for the step, whole; returns it if the chapter is right.

    They are not mixed: what a server passes that does not come so far proves nothing.
    """
    if verdict.error:
        result.note = "does not compile by itself"
        for check in result.checks:
            if check.status is Status.BLOCKED:
                check.observed = f"does not compile by itself: {verdict.error.splitlines()[0]}"
        return None
    alone = replace(result, checks=list(verdict.checks), isolated=True)
    untried = all(check.status is Status.BLOCKED for check in result.checks)
    if untried or alone.score > result.score:
        result.in_whole = [check for check in result.checks if check.status is Status.FAIL]
        result.checks, result.isolated = alone.checks, True
    return result if verdict.right else None


def _say_what_holds_up(report: Report, right: list[StepResult]) -> None:
    wrong = [result for result in report.steps if not result.passed]
    for result in report.steps:
        before = [w for w in wrong if report.steps.index(w) < report.steps.index(result)]
        if result not in right:
            if result.isolated:
                result.note = "graded by itself"
        elif wrong:
            result.note = f"right by itself; held up by step {(before or wrong)[0].id}"
        elif len(report.steps) == 1:
            result.note = "right by itself; held up by another step"
        else:
            result.note = "right by itself, but not together with the other chapters"
            report.whole = False
    if not report.whole:
        report.notes.append("Each chapter is right by itself, but your server as a whole is not.")
