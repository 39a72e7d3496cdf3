"""What can happen to a grader: it is killed, stopped, started twice, or started where little is as usual.

All of it happens to a student's copy of the course, in a folder whose name has spaces and Chinese in it.
"""

import os
import re
import resource
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import F_SETFL, fcntl
from pathlib import Path

import psutil
import pytest
from test_student import NOT_COPIED, Student, all_come, ends_of, grades_a_step

from echolab import course, sockets

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    """Somebody whose write_all() takes a part for all: step 1.4 fails, and is tried by itself as well."""
    root = tmp_path_factory.mktemp("a course") / "Echo Lab 回声 1"
    shutil.copytree(course.ROOT, root, ignore=shutil.ignore_patterns(*NOT_COPIED))
    someone = Student(root)
    someone.edits(4, lambda chapter: TAKES_PART_FOR_ALL, someone.finished)
    return someone


TAKES_PART_FOR_ALL = """\
bool write_all(int client, const char* data, std::size_t size) {
  return ::send(client, data, size, MSG_NOSIGNAL) >= 0;
}
"""
POINTS = "96 of 100 points"


# -- killed

Seen = Callable[[psutil.Process], bool]


def runs(name: str) -> Seen:
    return lambda process: re.fullmatch(name, Path(process.exe()).name) is not None


def compiles_a_lesson(process: psutil.Process) -> bool:
    return runs("cc1plus")(process) and any(word.endswith("/server.cpp") for word in process.cmdline())


def files_of(pid: int) -> list[str]:
    """What the process has open; it goes on meanwhile."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(os.readlink(link))
    return names


def has_a_witness(process: psutil.Process) -> bool:
    return any(name.startswith("/dev/shm/echolab-") and Path(name).exists() for name in files_of(process.pid))


def has_a_client(process: psutil.Process) -> bool:
    return runs("server")(process) and sum("socket:" in name for name in files_of(process.pid)) > 1


def is_stuck_in_a_pipe(process: psutil.Process) -> bool:
    return "pipe_write" in Path(f"/proc/{process.pid}/wchan").read_text()


PHASES: dict[str, tuple[Seen, tuple[str, ...]]] = {
    "first build": (compiles_a_lesson, ("check", "1.4")),
    "build": (compiles_a_lesson, ("check", "1.4")),
    "start": (runs("tail"), ("check", "1.4", "--server", "tail -f /dev/null {port}")),
    "check": (has_a_client, ("check", "1", "--solutions")),
    "explain": (has_a_witness, ("check", "1.4")),
    "isolation": (grades_a_step, ("check", "1.4")),
    "report": (is_stuck_in_a_pipe, ("check", "1.4", "--json", "-")),
}


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that takes nothing more, so that who writes to it waits."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(65536))
    fcntl(writer, F_SETFL, 0)
    yield writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that is never read to its end."""
    os.mkfifo(tmp_path / "endless")
    return tmp_path / "endless"


@pytest.mark.parametrize("phase", PHASES)
def test_a_grader_that_is_killed_leaves_nothing(student: Student, phase: str, full_pipe: int, endless: Path) -> None:
    is_in_phase, arguments = PHASES[phase]
    before = student.source.read_text(encoding="utf-8")
    if "build" in phase:
        student.writes(f'#include "{endless}"\n{before}')
    elif phase == "isolation":
        shutil.rmtree(student.root / "build" / "verdicts", ignore_errors=True)
    stdout = full_pipe if phase == "report" else subprocess.DEVNULL
    grader = student.starts(*arguments, stdout=stdout, stderr=subprocess.DEVNULL)
    own, below = stopped_in_phase(psutil.Process(grader.pid), is_in_phase)
    ends, ports = ends_of(below), ports_of(below)
    files = set().union(*(shared_memory_of(process.pid) for process in own))
    grader.kill()
    resume(own)  # in life nobody has stopped them
    grader.wait()
    assert all_come(ends, 20)
    student.writes(before)
    assert not any(sockets.listener("127.0.0.1", port) for port in ports)
    assert not any(file.exists() for file in files)
    assert bool(ports) >= (phase in ("start", "check"))
    assert bool(files) == (phase == "explain")


def stopped_in_phase(
    grader: psutil.Process, is_in_phase: Seen
) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Stops the grader, and what runs a check for it, while it is in a phase: those that it has stopped,
    and all processes below it."""
    end = select.poll()
    end.register(os.pidfd_open(grader.pid))
    while not end.poll(2):
        if any_is(is_in_phase, grader):
            if is_in_phase is is_stuck_in_a_pipe:
                return [grader], grader.children(recursive=True)
            suspend(own := processes_of(grader))
            if any_is(is_in_phase, grader):
                return own, grader.children(recursive=True)
            resume(own)
    raise AssertionError("it has ended before")


def processes_of(grader: psutil.Process) -> list[psutil.Process]:
    """The grader, and those that run a check for it."""
    own = [grader]
    for process in grader.children(recursive=True):
        with suppress(psutil.Error):
            if process.exe() == grader.exe():
                own.append(process)
    return own


def suspend(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            # Who has just called vfork is in a sleep that cannot be stopped, until its child has gone on.
            while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DISK_SLEEP):
                pass


def resume(processes: list[psutil.Process]) -> None:
    for process in reversed(processes):
        with suppress(psutil.NoSuchProcess):
            process.resume()


def any_is(is_in_phase: Seen, grader: psutil.Process) -> bool:
    for process in [grader, *grader.children(recursive=True)]:
        with suppress(psutil.Error, OSError):
            if is_in_phase(process):
                return True
    return False


def ports_of(processes: list[psutil.Process]) -> set[int]:
    """The ports that servers were told."""
    ports = set()
    for process in processes:
        with suppress(psutil.Error):
            words = process.cmdline()
            if words[:1] == ["tail"] or "--host" in words:
                ports.add(int(words[-1]))
    return ports


def shared_memory_of(pid: int) -> set[Path]:
    return {Path(name).parent for name in files_of(pid) if name.startswith("/dev/shm/echolab-")}


def test_after_all_that_it_grades_as_before(student: Student) -> None:
    printed = student.lab("check", "1").stdout
    assert POINTS in printed and re.search(r"where +lessons/1-single-process/server.cpp:\d+", printed)
    assert "waits in the call above" in printed  # the witness's account: it is preloaded from a path with spaces


# -- stopped


@pytest.mark.parametrize("seen", [has_a_client, has_a_witness, grades_a_step], ids=["check", "explain", "isolation"])
def test_a_machine_that_stands_still_for_a_while_changes_no_verdict(student: Student, seen: Seen) -> None:
    shutil.rmtree(student.root / "build" / "verdicts", ignore_errors=True)
    grader = student.starts("check", "1", "--solutions") if seen is has_a_client else student.starts("check", "1")
    own, below = stopped_in_phase(psutil.Process(grader.pid), seen)
    everything = list(dict.fromkeys([*own, *below]))
    suspend(everything)
    resume(everything)
    printed, _ = grader.communicate(timeout=120)
    assert ("100 of 100 points" if seen is has_a_client else POINTS) in printed


# -- where little is as usual


def launched(student: Student, *arguments: str, under: list[str] = [], **environment: str | None) -> str:
    """What harness/lab prints, started `under` other commands, without the variables that are None; it has to pass."""
    changed = {"LAB_NO_INSTALL": "1", "COLUMNS": "80"} | environment
    done = subprocess.run(
        [*under, student.root / "harness" / "lab", *arguments],
        env={name: value for name, value in (os.environ | changed).items() if value is not None},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": "/proc"},  # nobody can write there, not even root
        {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0"},
        {"HOME": None, "LC_ALL": None, "LANG": None},
        {"PYTHONOPTIMIZE": "1"},
    ],
    ids=["read-only home", "C", "neither home nor locale", "python -O"],
)
def test_it_grades_wherever_it_is_started(student: Student, environment: dict[str, str | None]) -> None:
    assert "100 of 100 points" in launched(student, "check", "1", "--solutions", **environment)


@pytest.mark.skipif(not FAKETIME, reason="faketime is not installed")
@pytest.mark.parametrize("jump", ["-10000d", "+10000d"])
def test_a_clock_that_is_set_changes_no_verdict(student: Student, jump: str, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n", encoding="ascii")
    faked = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "NO_FAKE_STAT": "1"}
    faked |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "LD_PRELOAD": str(FAKETIME[0])}
    grader = student.starts("check", "1", "--solutions", env=faked)
    own, _ = stopped_in_phase(psutil.Process(grader.pid), has_a_client)
    clock.write_text(f"{jump}\n", encoding="ascii")
    resume(own)
    assert "100 of 100 points" in grader.communicate(timeout=120)[0]


# Of all packets but resets, which are never sent again.
LOSES_PACKETS = """\
ip link set lo up &&
iptables -A INPUT -p tcp ! --tcp-flags RST RST -m statistic --mode random --probability 0.02 -j DROP &&
exec "$@"
"""


@pytest.mark.parametrize("lesson", ["1", "2.2", "4.4"])
def test_a_network_that_loses_packets_changes_no_verdict(student: Student, lesson: str) -> None:
    """As the loopback itself does when memory is short: TCP sends them again, after 0.2 s or much later."""
    under = ["unshare", *(["--map-root-user"] if os.getuid() else []), "--net", "sh", "-c", LOSES_PACKETS, "sh"]
    possible = subprocess.run([*under, "true"], capture_output=True, text=True, check=False)
    if possible.returncode:
        pytest.skip(f"no network can be made that loses packets: {possible.stderr.strip()}")
    assert "points" in launched(student, "check", lesson, "--solutions", under=under)


def test_what_has_an_older_date_is_built_all_the_same(student: Student) -> None:
    """A copy that is put back, or a clock that was set back, gives a file a time before the last build."""
    wrong = student.source.read_text(encoding="utf-8")
    built = student.source.stat()
    student.writes(student.finished)
    os.utime(student.source, ns=(built.st_atime_ns, built.st_mtime_ns - 10**12))
    try:
        assert student.check()["score"] == 100
    finally:
        student.writes(wrong)


def test_two_graders_in_one_tree_do_not_meet(student: Student) -> None:
    student.source.touch()
    graders = [student.starts("check", "1") for _ in range(2)]
    for grader in graders:
        printed, said = grader.communicate(timeout=120)
        assert POINTS in printed and not said


@pytest.mark.parametrize("lesson", ["2.1", "3.3", "4.3"])
def test_256_descriptors_are_enough(lesson: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert "points" in launched(Student(course.ROOT), "check", lesson, "--solutions")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
