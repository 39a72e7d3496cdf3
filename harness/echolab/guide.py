"""For who is stuck: the next hint, the solution's chapter, the difference to it."""

from difflib import unified_diff

from echolab.course import ROOT, Lesson, Step
from echolab.progress import Progress
from echolab.regions import RegionError, scan


class NotHere(Exception):
    """What was asked for is not in this copy of the course; the text says what."""


def hints(step: Step, everything: bool) -> list[str]:
    """The step's next hint, remembered as shown from now on, or all; none if all were shown before."""
    progress = Progress.load()
    if everything:
        progress.hints[step.id] = len(step.hints)
        shown = [
            f"Hint {number} of {len(step.hints)}: {hint}"
            for number, hint in enumerate(step.hints, 1)
        ]
    else:
        hint = progress.next_hint(step)
        shown = [f"Hint {progress.hints[step.id]} of {len(step.hints)}: {hint}"] if hint else []
    progress.save()
    return shown


def chapter(lesson: Lesson, step: Step) -> tuple[str, str]:
    """The solution's chapter, and its language. Raises NotHere, RegionError."""
    return "\n".join(_chapter(lesson, step, solutions=True)), "cpp"


def difference(lesson: Lesson, step: Step) -> tuple[str, str]:
    """A unified diff from the student's chapter to the solution's. Raises NotHere, RegionError."""
    mine, finished = (_chapter(lesson, step, solutions) for solutions in (False, True))
    before, after = (str(lesson.source(solutions).relative_to(ROOT)) for solutions in (False, True))
    return "\n".join(unified_diff(mine, finished, before, after, lineterm="", n=100)), "diff"


def _chapter(lesson: Lesson, step: Step, solutions: bool) -> list[str]:
    source = lesson.source(solutions)
    try:
        region = scan(source)[0].get(step.number)
    except OSError as error:
        raise NotHere(f"{source.relative_to(ROOT)} is not here: {error.strerror}") from error
    if not region:
        raise RegionError(
            f"{source.relative_to(ROOT)}: the #region markers of step {step.number} are missing"
        )
    return list(region.lines)
