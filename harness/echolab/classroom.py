"""A class: every submission graded, side by side, and the gradebook written as the results come."""

import ctypes
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from echolab import gradebook, kit, sandbox, submission
from echolab.apart import side_by_side
from echolab.course import lessons
from echolab.gradebook import Gradebook, Row, digest
from echolab.report import Status
from echolab.submission import Graded, Settings, Submission, grade_submission
from echolab.verdict import GraderTrouble

_ANSWERS = 10  # seconds in which a scheduler does
_M_MMAP_THRESHOLD, _LARGE = -3, 64 * 1024  # malloc.h; bytes


class WrongUsage(Exception):
    """What is asked for makes no sense; the text says why."""


@dataclass(frozen=True)
class Order:
    """What is to be graded again: with `resume` what is missing or has changed, with `regrade` these
    students, and with neither the whole class, which then must not have been graded before."""

    resume: bool = False
    regrade: tuple[str, ...] = ()


def lessons_handed_in(class_: list[Submission]) -> tuple[int, ...]:
    """Those that anybody has handed in; all of them if nobody has."""
    found = {number for submission in class_ for number in submission.files}
    return tuple(sorted(found or {lesson.number for lesson in lessons()}))


def grade_class(
    class_: list[Submission],
    out: Path,
    settings: Settings,
    order: Order,
    jobs: int,
    scheduler: str | None,
    console: Console,
) -> list[Row]:
    """Grades what the order says, and returns the whole gradebook. Raises WrongUsage, GraderTrouble."""
    # Results are large and soon forgotten: their memory is to go back to the system (man 3 mallopt).
    ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
    with gradebook.opened(out) as book:
        due = _due(class_, book, settings, order, out)
        if not scheduler:
            if settings.sandboxed:
                sandbox.demand()
            with console.status("building what submissions are compiled and graded with", spinner="line"):
                kit.prepare(settings.lessons)
        with _executor(jobs, scheduler, console) as (executor, is_alive):
            _grade(due, book, settings, executor, is_alive, console)
        book.keep_only({submission.student for submission in class_})
        return list(book.rows())


def _due(
    class_: list[Submission], book: Gradebook, settings: Settings, order: Order, out: Path
) -> list[Submission]:
    known = {submission.student for submission in class_}
    if strangers := set(order.regrade) - known:
        raise WrongUsage(f"--regrade: nobody is called {', '.join(sorted(strangers))}")
    graded = book.digests()
    if not (order.resume or order.regrade) and book.students():
        raise WrongUsage(f"{out} holds a gradebook: --resume goes on with it, --regrade NAME grades one again")
    again = set(order.regrade)
    if order.resume:
        again |= {s.student for s in class_ if graded.get(s.student) != digest(s, settings)}
    elif not order.regrade:
        again = known
    return [submission for submission in class_ if submission.student in again]


def _grade(
    due: list[Submission],
    book: Gradebook,
    settings: Settings,
    executor: Executor,
    is_alive: Callable[[], bool],
    console: Console,
) -> None:
    progress = Progress(
        TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("· left"), TimeRemainingColumn(), TextColumn("{task.description}"), console=console,
    )  # fmt: skip
    with progress:
        task = progress.add_task("", total=len(due))
        waiting = {executor.submit(grade_submission, one, settings): one for one in due}
        while waiting:
            done, _ = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
            gone = not done and not is_alive()
            for future in done:
                if future.cancelled():  # by nobody here: the connection was lost
                    gone = True
                    continue
                one = waiting.pop(future)
                book.record(one, digest(one, settings), _result(future))
                progress.update(task, advance=1, description=one.student)
            if gone:
                raise GraderTrouble("the cluster has gone away; --resume goes on from here")
        progress.update(task, description="")


def _result(future: Future[Graded]) -> Graded:
    try:
        graded = future.result()
    except GraderTrouble as error:
        return Graded(trouble=str(error))
    except Exception as error:  # whatever befell a worker: this submission alone is not graded
        return Graded(trouble=f"{type(error).__name__}: {error}")
    steps = [step for report in graded.reports.values() for step in report["steps"]]
    errors = [check for step in steps for check in step["checks"] if check["status"] == Status.ERROR]
    if errors and not graded.trouble:
        graded.trouble = f"checks that could not be done: {len(errors)}; {errors[0]['id']}: {errors[0]['observed']}"
    return graded


@contextmanager
def _executor(
    jobs: int, scheduler: str | None, console: Console
) -> Iterator[tuple[Executor, Callable[[], bool]]]:
    """Where submissions are graded, and whether that place is still there."""
    if scheduler:
        with _cluster(scheduler, console) as found:
            yield found
        return
    # Each grading is a process of its own (submission.py): a thread is enough to wait for it.
    executor = ThreadPoolExecutor(jobs or side_by_side())
    try:
        yield executor, lambda: True
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        submission.end_all()
        raise
    finally:
        executor.shutdown()


@contextmanager
def _cluster(address: str, console: Console) -> Iterator[tuple[Executor, Callable[[], bool]]]:
    try:
        from distributed import Client
    except ImportError as error:
        raise GraderTrouble("--scheduler needs Dask: install python3-distributed") from error
    logging.disable()  # what it has to say of lost workers and schedulers; we say it in a line
    try:
        client = Client(address, timeout=_ANSWERS)
    except (OSError, ValueError, TimeoutError) as error:
        raise GraderTrouble(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        if not client.scheduler_info()["workers"]:
            console.print("The cluster has no workers yet; the first that comes begins.")
        executor: Any = client.get_executor(pure=False, retries=2)
        yield executor, lambda: client.status == "running"
