"""Each step in its own right: the solution with only that chapter taken from the student.

What failed in the student's whole server, or could not be tried there, is tried again with
finished chapters around it, and the better of the two counts.
"""

import os
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from functools import partial

from echolab import stubs
from echolab.apart import Apart
from echolab.course import Lesson, Step
from echolab.regions import Region, scan
from echolab.report import NOT_BEGUN, CheckResult, Report, Status, StepResult
from echolab.verdict import GraderTrouble
from echolab.verdicts import KeptVerdicts, Verdict

# Grades the server build.alone(lesson, step) by the checks of that step.
Grader = Callable[[Lesson, Step], list[CheckResult]]
# Builds those of these steps, with sanitizers too if so; the compiler's errors by step.
Builder = Callable[[Collection[Step], bool], dict[int, str]]
Progress = Callable[[str], None]


class Isolation:
    """The steps of one lesson by themselves: expect() those that fail, then isolate() them.

    A chapter that nobody has touched is not tried: it is known to be unfinished.
    """

    def __init__(self, lesson: Lesson, build: Builder, grade: Grader) -> None:
        self._lesson, self._build_alone, self._grade = lesson, build, grade
        self._mine = self._chapters()
        self._handed_out = stubs.chapters(lesson.of_the_course)
        self._possible = lesson.source(solutions=True).exists()
        self._kept = KeptVerdicts(lesson)
        # A future for each step that is wanted: the compiler's errors, or None once it is built.
        self._builds: dict[Step, Future[str | None]] = {}
        self._wanted: dict[Step, bool] = {}
        self._builder = ThreadPoolExecutor(1)

    def _chapters(self) -> dict[int, Region]:
        """The student's chapters as they are now; none if there is no file."""
        with suppress(OSError):
            return scan(self._lesson.source())[0]
        return {}

    def expect(self, step: Step, sanitized: bool) -> None:
        """Begins to build what isolate() needs for this step."""
        chapter = self._mine.get(step.number)
        if not chapter or not self._possible or step in self._builds or self._untouched(step):
            return
        if not self._kept.find(step, chapter):
            self._builds[step] = Future()
            self._wanted[step] = sanitized
            self._builder.submit(self._build)

    def _build(self) -> None:
        """Builds all that is wanted by now in one go, but first those whose grading takes longest."""
        wanted, self._wanted = self._wanted, {}
        slow = [step for step, sanitized in wanted.items() if sanitized]
        for steps in (slow, [step for step in wanted if step not in slow]):
            if not steps:
                continue
            try:
                errors = self._build_alone(steps, steps is slow)
            except BaseException as error:
                for step in steps:
                    self._builds[step].set_exception(error)
                continue
            for step in steps:
                self._builds[step].set_result(errors.get(step.number))

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
            self.expect(step, step.number in sanitized)
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
        """Grades all `steps`, side by side."""
        verdicts: dict[Step, Verdict] = {}
        if not steps:
            return verdicts
        with Apart[Step, list[CheckResult]]() as running:

            def take() -> None:
                for step, results in running.ended():
                    if results is None:
                        raise GraderTrouble("a process that graded a step by itself was killed")
                    verdicts[step] = Verdict(tuple(results))

            progress("building each step by itself")
            steps_of = {self._builds[step]: step for step in steps}
            for built in as_completed(steps_of):
                step, error = steps_of[built], built.result()
                if error:
                    verdicts[step] = Verdict(error=error)
                    continue
                if len(running) == len(os.sched_getaffinity(0)):
                    take()
                running.start(step, partial(self._grade, self._lesson, step))
            progress("grading each step by itself")
            while running:
                take()
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
