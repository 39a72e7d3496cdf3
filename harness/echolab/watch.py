"""Grades a lesson again whenever it is saved: the changed step first, and the newest save only.

The gradings run in a process of their own, which is there before it is needed. A save that comes
while it grades ends it and all that it has started, and another process grades the new text.
"""

import ctypes
import multiprocessing
import os
import select
import signal
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil
from rich.console import Console
from rich.live import Live
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from echolab.apart import end_with
from echolab.course import Lesson, Step, lessons
from echolab.grading import Target, grade
from echolab.progress import Progress, remember
from echolab.regions import scan
from echolab.report import NOT_BEGUN, Report, terminal
from echolab.report.screen import Screen
from echolab.verdict import GraderTrouble

_PR_SET_CHILD_SUBREAPER = 36  # man 2 prctl
_RENAMING = 0.3  # seconds: how long a file may be away while an editor puts a new one in its place


def watch(lesson: Lesson | None, solutions: bool, console: Console) -> None:
    """Watches one lesson, or all, until KeyboardInterrupt. Raises GraderTrouble."""
    current = Progress.load().current()
    first = lesson or lessons()[current.lesson - 1 if current else 0]
    watched = [lesson] if lesson else list(lessons())
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    saves = _Saves({found.source(solutions): found for found in watched})
    grader = _Grader(solutions)
    view = _View(Screen(first), console, remembers=not solutions)
    try:
        with view:
            saves.watch()
            grader.begin(first, None)
            view.begins(first, None, "")
            while True:
                ready = wait([saves, grader])
                if saves in ready and (saved := saves.next()):
                    found, step = saved
                    grader.begin(found, step)
                    view.begins(found, step, time.strftime("%H:%M:%S"))
                elif grader in ready:
                    view.hears(grader.message(), more=bool(wait([grader], timeout=0)))
    finally:
        saves.close()
        grader.end()


class _Saves(FileSystemEventHandler):
    """The files that are watched; fileno() becomes readable when one may have changed.

    Events only say where to look: many come for one save, and some for the compiler's reading.
    """

    def __init__(self, files: dict[Path, Lesson]) -> None:
        self._files = files
        self._texts = {path: _text(path) for path in files}
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._observer = Observer()
        for folder in {path.parent for path in files}:
            self._observer.schedule(self, str(folder))

    def watch(self) -> None:
        try:
            self._observer.start()
        except OSError as error:
            raise GraderTrouble(f"cannot watch the lessons: {error.strerror}") from error

    def fileno(self) -> int:
        return self._reader

    def dispatch(self, event: FileSystemEvent) -> None:
        """Runs in the observer's thread."""
        touched = {event.src_path, getattr(event, "dest_path", None)}
        if touched & {str(path) for path in self._files}:
            with suppress(BlockingIOError):  # it is full, and so readable as it is
                os.write(self._writer, b".")

    def next(self) -> tuple[Lesson, Step | None] | None:
        """The lesson whose text is another than before, and the first step that is; else None."""
        self._drain()
        for path, lesson in self._files.items():
            before, now = self._texts[path], _text(path)
            if now is None and before is not None:
                # It comes back at once if its editor is about to rename a new file to it.
                select.select([self._reader], [], [], _RENAMING)
                self._drain()
                now = _text(path)
            if now != before:
                self._texts[path] = now
                return lesson, _changed_step(lesson, path, before, now)
        return None

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def close(self) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _changed_step(lesson: Lesson, path: Path, before: str | None, now: str | None) -> Step | None:
    old, new = (scan(path, text)[0] if text else {} for text in (before, now))
    changed = (n for n, region in new.items() if n not in old or old[n].lines != region.lines)
    number = next(changed, 0)
    return lesson.step(number) if 1 <= number <= len(lesson.steps) else None


class _Grader:
    """The process that grades; fileno() becomes readable when it has something to say."""

    def __init__(self, solutions: bool) -> None:
        self._solutions = solutions
        self._context = multiprocessing.get_context("spawn")
        self._busy = False
        self._start()

    def _start(self) -> None:
        self._channel, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, self._solutions))
        self._process.start()
        theirs.close()

    def fileno(self) -> int:
        return self._channel.fileno()

    def begin(self, lesson: Lesson, first: Step | None) -> None:
        """Grades `lesson` as it is now, and nothing else any more."""
        if self._busy:
            self.end()
            self._start()
        self._channel.send((lesson, first))
        self._busy = True

    def message(self) -> tuple[str, str | Report]:
        """The next message: "doing" and what; "so far", "done" and a Report; "trouble" and what it is.

        Raises GraderTrouble if there will be none any more.
        """
        try:
            kind, content = self._channel.recv()
        except (EOFError, ConnectionError) as error:
            raise GraderTrouble("the process that grades has ended") from error
        self._busy = kind not in ("done", "trouble")
        return kind, content

    def end(self) -> None:
        """Ends the process and returns when nothing that it has started is left."""
        started: dict[int, int] = {}  # by process id, a descriptor that tells of its end
        try:
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(ProcessLookupError):
                    started[process.pid] = os.pidfd_open(process.pid)
        except psutil.NoSuchProcess:
            pass
        self._process.kill()
        self._process.join()
        for pid, end in started.items():
            select.select([end], [], [])
            os.close(end)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # it is ours now
        self._channel.close()


def _serve(channel: Connection, solutions: bool) -> None:
    """In the process that grades: one lesson after another, as they are asked for."""
    os.setsid()  # Ctrl-C is not for what it starts either
    end_with(os.getppid())
    while True:
        try:
            lesson, first = channel.recv()
        except EOFError:
            return
        try:
            report = grade(
                Target(lesson, solutions),
                None,
                lambda text: channel.send(("doing", text)),
                first,
                lambda report: channel.send(("so far", report)),
            )
            channel.send(("done", report))
        except GraderTrouble as error:
            channel.send(("trouble", str(error)))
        except OSError as error:  # a file that went away in the middle: there will be another save
            channel.send(("trouble", f"{error.filename}: {error.strerror}"))


class _View:
    """Shows what is known: on a terminal, one screen that changes; elsewhere, a report after each grading."""

    def __init__(self, screen: Screen, console: Console, remembers: bool) -> None:
        self._screen, self._console, self._remembers = screen, console, remembers
        self._live = (
            Live(screen, console=console, screen=True, auto_refresh=False)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> None:
        if self._live:
            self._live.start()
            signal.signal(signal.SIGWINCH, lambda *_: self._draw())

    def __exit__(self, *_: object) -> None:
        if self._live:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            self._live.stop()
            if self._remembers:
                terminal.write_progress([Progress.load().summary(self._screen.lesson)], self._console)

    def begins(self, lesson: Lesson, step: Step | None, saved: str) -> None:
        if lesson != self._screen.lesson:
            self._screen.lesson, self._screen.report, self._screen.focus = lesson, None, None
        self._screen.focus = step or self._screen.focus
        self._screen.saved = saved
        self._screen.doing, self._screen.stale = "building", True
        self._draw()

    def hears(self, message: tuple[str, str | Report], more: bool) -> None:
        """`more`: the next is there already, so nobody would see what this one changes."""
        kind, content = message
        if isinstance(content, Report):
            self._screen.report, self._screen.stale = content, False
            self._screen.focus = self._screen.focus or (
                _worth_a_look(self._screen.lesson, content) if kind == "done" else None
            )
        else:
            self._screen.doing = content if kind == "doing" else f"not graded: {content}"
        if kind == "done" and isinstance(content, Report):
            self._screen.doing = None
            if self._remembers:
                remember(self._screen.lesson, content)
            if not self._live:
                terminal.write(content, self._console)
                sys.stdout.flush()
        if not more:
            self._draw()

    def _draw(self) -> None:
        if self._live:
            self._live.refresh()


def _worth_a_look(lesson: Lesson, report: Report) -> Step | None:
    """The step to go on with: the first that has been begun and is not done, else the first that is not done."""
    open_ones = [step for step in report.steps if not step.passed]
    open_ones.sort(key=lambda step: step.note == NOT_BEGUN)
    return lesson.step(int(open_ones[0].id.split(".")[1])) if open_ones else None
