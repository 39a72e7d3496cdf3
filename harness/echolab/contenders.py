"""Who is compared: our servers, the student's, and what others have made of the same models."""

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from echolab import build, load
from echolab.course import ROOT, Lesson
from echolab.server import Command

PEERS = ROOT / "harness" / "peers"
_BUILT = build.DIRECTORY / "harness" / "peers"


@dataclass(frozen=True)
class Contender:
    """One server. `model` is the lesson's that has the same, or, without `same_model`, that it is shown
    beside; `most` bounds the clients it serves at a time, where its model does."""

    name: str
    model: int
    command: Command
    ours: bool = False
    most: int | None = None
    same_model: bool = True


def gather(
    lessons: list[Lesson], mine: bool, more: list[Contender], with_peers: bool, folder: Path
) -> tuple[list[Contender], list[str]]:
    """Builds all that takes part: our servers, `more`, and the peers; and what does not, and why.

    Where there are no solutions (a student's package), the lessons' own servers stand for them.
    Raises CompileError, GraderTrouble.
    """
    found: list[Contender] = []
    wanted = [build.WARDEN, load.BINARY]
    for lesson in lessons:
        finished = lesson.source(solutions=True).exists()
        for solutions in [True] * finished + [False] * (mine or not finished):
            wanted.append(build.server(lesson, solutions))
            found.append(ours(lesson, solutions))
    build.build(*wanted)
    if not with_peers:
        return found + more, []
    others, absent = peers({lesson.number for lesson in lessons}, folder)
    return found + more + others, absent


def ours(lesson: Lesson, solutions: bool) -> Contender:
    """A lesson's server: the reference solution, or the student's. It has to be built."""
    words = [str(build.server(lesson, solutions)), "--port", "{port}"]
    if lesson.number == 3:
        words += ["--slots", "{slots}"]
    if lesson.number == 4:
        words += ["--threads", "{threads}"]
    name = f"lesson {lesson.number}" + ("" if solutions else ", yours")
    return Contender(name, lesson.number, Command(tuple(words)), True, _most(lesson.number))


def given(text: str, port: int | None, lesson: Lesson) -> Contender:
    """The program of --server. Raises CommandError."""
    command = Command.parse(text, port)
    return Contender(Path(command.words[0]).name, lesson.number, command, False, _most(lesson.number))


def _most(model: int) -> int | None:
    return 1 if model == 1 else None


def peers(models: set[int], folder: Path) -> tuple[list[Contender], list[str]]:
    """The peers of `models` that can be run here, and those that cannot, with the reason.

    `folder` is a place for the files that they need. Raises CompileError, GraderTrouble.
    """
    found: list[Contender] = []
    absent: list[str] = []

    def add(name: str, model: int, *words: str, needs: str = "", most: int | None = None) -> None:
        if model not in models:
            return
        if needs and not shutil.which(needs):
            absent.append(f"{name}: {needs} is not installed")
            return
        found.append(Contender(name, model, Command(words), most=most or _most(model)))

    def add_built(name: str, model: int, program: str, *words: str, needs: str, same_model: bool = True) -> None:
        if model not in models:
            return
        if program not in targets:
            absent.append(f"{name}: {needs} is not installed")
            return
        wanted.add(_BUILT / program)
        command = Command((str(_BUILT / program), *words))
        found.append(Contender(name, model, command, most=_most(model), same_model=same_model))

    targets, wanted = _targets(), set[Path]()
    python = (sys.executable, str(PEERS / "socketserver_echo.py"))
    asio = "libasio-dev"
    add_built("Asio, blocking", 1, "asio_echo", "single", "{port}", needs=asio)
    add("Python TCPServer", 1, *python, "TCPServer", "{port}")
    xinetd = ("sh", str(PEERS / "xinetd_echo.sh"), "{port}", str(folder))
    add("xinetd echo", 2, *xinetd, needs="xinetd")
    add("socat", 2, "socat", "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", "PIPE", needs="socat")
    add("ncat and cat", 2, *_NCAT, needs="ncat")
    add("Python forking", 2, *python, "ForkingTCPServer", "{port}")
    add_built("Asio, a thread each", 3, "asio_echo", "thread", "{port}", needs=asio)
    add("Python threading", 3, *python, "ThreadingTCPServer", "{port}")
    add_built("Go (epoll)", 3, "go_echo", "{port}", needs="golang", same_model=False)
    add_built("Asio, a pool", 4, "asio_echo", "pool", "{port}", "{threads}", needs=asio)
    if wanted:
        build.build(*sorted(wanted))
    return found, absent


_NCAT = ("ncat", "-l", "127.0.0.1", "{port}", "-k", "-m", "10000", "-e", "/bin/cat")


def _targets() -> set[str]:
    """The names of what Meson can build here, also with what was installed since the build was set up."""
    build.configure("asio_echo")
    if shutil.which("go"):
        build.configure("go_echo")
    listed = build.DIRECTORY / "meson-info" / "intro-targets.json"
    return {target["name"] for target in json.loads(listed.read_text(encoding="utf-8"))}


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder for peers(), that is gone at the end of the block."""
    return tempfile.TemporaryDirectory(prefix="lab-bench-")
