"""The witness: what it sees of a server, what it survives, and what it can do to one."""

import errno
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import psutil
import pytest

from conftest import HARNESS, build, course
from echolab.client import Client
from echolab.diagnosis.scene import paired
from echolab.explaining import SWITCH, Explanation
from echolab.grading import Grading, Target, grade, own_command, run_checks
from echolab.known import Known, catalogue  # noqa: E402
from echolab.report import CheckResult, Status, Where
from echolab.server import Command, Server
from echolab.witness import Kind, Places, Unavailable, Witness, obstacle
from watched import grade_watched

Observed = Callable[..., Server]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    build.build(build.WARDEN, build.WITNESS, *(build.server(n, True) for n in course.lessons()))


@pytest.fixture
def observed() -> Iterator[Observed]:
    """Starts a server with the witness preloaded: a lesson's solution, or a command."""
    servers: list[Server] = []

    def start(lesson: int = 1, command: Command | None = None, **options: object) -> Server:
        found = course.lessons()[lesson - 1]
        own = Command(own_command(build.server(found, True), found))
        server = Server(command or own, build.WARDEN, witness=Witness(build.WITNESS), **options)
        servers.append(server)
        assert server.start(), server.describe()
        return server

    yield start
    for server in servers:
        server.close()
        server.witness.close()


def one_client(server: Server) -> None:
    client = Client(server)
    assert client.connects() and client.echoes(b"hello")
    client.leave()
    assert server.until(client.is_let_go, quiet=True)
    server.settle()


def test_a_process_for_a_client_is_seen_from_its_birth_to_its_reaping(observed: Observed) -> None:
    server = observed(2)
    one_client(server)
    events = server.witness.events()
    parent = server.witness.inside(server.pid)
    fork = next(e for e in events if e.kind is Kind.EXIT and e.call == "fork")
    child = fork.child
    assert fork.pid == parent
    told = [(e.kind, e.call) for e in events if e.pid == child]
    assert told[0] == (Kind.START, "process") and told[-1] == (Kind.END, "process")
    signalled = next(e for e in events if e.kind is Kind.SIGNAL)
    assert (signalled.pid, signalled.call) == (parent, "SIGCHLD")
    assert any(e.kind is Kind.EXIT and e.call == "waitpid" and e.child == child for e in events)
    assert events[-1].kind is Kind.ENTER and events[-1].call == "accept4", "it waits again"
    assert server.witness.lost == 0


def test_the_lines_that_call_are_named(observed: Observed) -> None:
    server = observed(2)
    one_client(server)
    events = server.witness.events()
    places = Places(server.witness.program, events)
    source = course.lessons()[1].source(solutions=True)
    fork = places.of(next(e for e in events if e.call == "fork"))
    assert fork[0].file == source
    assert "::fork()" in source.read_text(encoding="utf-8").splitlines()[fork[0].line - 1]
    read = next(e for e in events if e.call == "read")
    assert [place.function.partition("(")[0] for place in places.of(read)][:4] == [
        "read_some",
        "echo_client",
        "start_child",
        "serve",
    ]


# -- servers that make it hard


def compiled(folder: Path, compiler: str, *flags: str, source: str = "witness/storm.cpp") -> Path:
    """A program of the harness, built with flags of its own."""
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    binary = folder / "program"
    words = [compiler, "-std=c++20", "-g", "-pthread", *flags, "-o", binary, HARNESS / source]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return binary


def run_observed(program: list[str], witness: Witness) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        program,
        env=os.environ | witness.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def witness() -> Iterator[Witness]:
    made = Witness(build.WITNESS)
    yield made
    made.close()


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize(
    "flags",
    [
        ("-O2",),
        ("-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"),
        ("-O1", "-fsanitize=thread"),
        ("-O1", "-fsanitize=address"),
    ],
    ids=["plain", "fortified", "tsan", "asan"],
)
def test_forks_signals_and_threads_at_once_are_all_seen(
    tmp_path: Path, witness: Witness, compiler: str, flags: tuple[str, ...]
) -> None:
    program = compiled(tmp_path, compiler, *flags)
    if compiler == "clang++" and "-fsanitize=thread" in flags:
        # The unwinder calls pthread_once, which this tsan takes over, in a handler.
        said = "has ThreadSanitizer linked in, as clang does it; no witness can live beside that"
        assert obstacle(str(program)) == f"{program} {said}"
        return
    assert obstacle(str(program)) is None
    # tsan does not start on kernels that spread a program's addresses too widely.
    done = run_observed(["setarch", "-R", str(program)], witness)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr and "ERROR" not in done.stderr, done.stderr
    children, threads, signals = map(int, re.findall(r"\d+", done.stdout))
    events = [event for event in witness.events() if event.time]
    assert witness.lost == 0
    kinds = Counter((event.kind, event.call) for event in events)
    assert kinds[Kind.START, "process"] - kinds[Kind.END, "process"] in (0, 1)
    born = {event.pid for event in events if event.kind is Kind.START and event.call == "process"}
    assert len(born) == children + 1
    # A sanitizer has a thread of its own.
    assert threads <= kinds[Kind.END, "thread"] <= kinds[Kind.START, "thread"] <= threads + 1
    assert kinds[Kind.SIGNAL, "SIGALRM"] == kinds[Kind.RETURN, "SIGALRM"]
    # tsan holds a signal back until a call ends. One that waits at a fork is handled in the child as well.
    handled = Counter(event.pid for event in events if event.kind is Kind.SIGNAL)
    assert handled[events[0].pid] == signals > 0
    reads = [e for e in events if e.kind is Kind.EXIT and e.call == "read" and (e.result or 0) > 0]
    assert len(reads) == threads * 50 + children * 2
    reaped = {event.child for event in events if event.call == "waitpid" and event.child}
    assert len(reaped) == children


def test_a_static_program_has_no_witness(tmp_path: Path) -> None:
    program = compiled(tmp_path, "g++", "-static")
    assert obstacle(str(program)) == f"{program} is linked statically"
    assert obstacle("cat") is None


def test_nothing_is_left_of_a_grader_that_is_killed() -> None:
    words = "import sys, time, pathlib as p; sys.path.insert(0, sys.argv[1]); from echolab.witness import Witness; "
    words += "w = Witness(p.Path('/lib')); print(w.path, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", words, str(HARNESS)]
    grader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert grader.stdout
    ring = Path(grader.stdout.readline().strip())
    assert ring.exists()
    keepers = [os.pidfd_open(process.pid) for process in psutil.Process(grader.pid).children()]
    grader.kill()
    grader.communicate()
    for keeper in keepers:  # nobody may reap it, where pid 1 does not
        assert select.select([keeper], [], [], 60)[0], "a process lives on"
        os.close(keeper)
    assert not ring.parent.exists()


def test_a_script_is_judged_by_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "server"
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o755)
    assert obstacle(str(script)) is None
    script.write_text("no program")
    assert "is no program of this machine" in str(obstacle(str(script)))


def test_rubbish_in_the_ring_is_left_out_and_counted(observed: Observed) -> None:
    server = observed(1)
    one_client(server)
    before = len(server.witness.events())
    assert before
    with open(server.witness.path, "r+b") as ring:
        size = os.fstat(ring.fileno()).st_size
        for rubbish in (b"\xff", b"\0", bytes(range(256))):
            ring.seek(0)
            ring.write((rubbish * size)[:size])
            ring.flush()
            for event in server.witness.events():
                Places(server.witness.program, [event]).of(event)
            assert server.witness.lost >= 0
        ring.truncate(100)
    assert server.witness.events() == []


def test_what_came_since_is_told_apart_and_what_is_overwritten_is_known(observed: Observed) -> None:
    server = observed(1)
    one_client(server)
    since = server.witness.written
    one_client(server)
    before, after = server.witness.events()[:since], server.witness.events(since)
    assert after and after == server.witness.events()[since:] and len(before) == since
    ends = [event for event in after if event.kind is Kind.EXIT]
    assert ends and server.witness.events(since, Kind.EXIT) == ends
    assert server.witness.holds(0)
    with open(server.witness.path, "r+b") as ring:
        ring.seek(64)  # how many were written
        ring.write(struct.pack("=Q", since + (1 << 15) + 1))
    assert not server.witness.holds(since) and server.witness.holds(since + 1)


def test_random_rubbish_raises_nothing(witness: Witness) -> None:
    random = Random(5)
    with open(witness.path, "r+b") as ring:
        size = os.fstat(ring.fileno()).st_size
        data = bytearray(random.randbytes(size))
        # Plausible numbers and kinds, so that the rest is looked at.
        struct.pack_into("=Q", data, 64, 30_000)
        for slot in range(30_000):
            struct.pack_into("=Qqii", data, 4096 + 88 * slot, slot + 1, 1 + slot, 7, 7)
            data[4096 + 88 * slot + 30] = 1 + slot % 7
        ring.write(data)
    events = witness.events()
    assert events and witness.lost
    places = Places(Path("/bin/cat"), events)
    for event in events[:50]:
        places.of(event)
    assert len(paired(events)) <= len(events)


def test_a_full_or_forbidden_shared_memory_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = os.posix_fallocate

    def full(file: int, offset: int, size: int) -> None:
        if "/dev/shm/" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(Path("/dev/shm").iterdir())
    made = Witness(build.WITNESS)
    assert tmp_path in made.path.parents
    made.close()
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(Unavailable, match="No space left.*No such file"):
        Witness(build.WITNESS)
    assert set(Path("/dev/shm").iterdir()) <= before


def test_a_rule_is_kept_while_the_server_runs(observed: Observed) -> None:
    server = observed(1)
    one_client(server)
    # The accept that sleeps has begun already: the one after it is the first that counts.
    server.witness.fail("accept4", errno.EMFILE)
    server.witness.shorten("read", 1)
    one_client(server)
    assert server.witness.is_used_up()
    events = server.witness.events()
    short = [e for e in events if e.kind is Kind.EXIT and e.call == "read" and e.result == 1]
    assert len(short) == 1
    assert any(e.error == errno.EMFILE for e in events if e.call == "accept4")
    server.witness.forget_rules()
    one_client(server)


def test_a_server_that_closes_all_descriptors_and_clears_its_environment_is_seen(
    tmp_path: Path, witness: Witness
) -> None:
    source = tmp_path / "hermit.cpp"
    source.write_text(
        "#include <cstdlib>\n#include <sys/socket.h>\n#include <sys/wait.h>\n#include <unistd.h>\n"
        "int main() {\n  clearenv();\n  for (int fd = 0; fd < 1024; ++fd) close(fd);\n"
        "  if (fork() == 0) {\n    shutdown(-1, 2);\n    _exit(0);\n  }\n  wait(nullptr);\n}\n"
    )
    program = compiled(tmp_path, "g++", source=str(source))
    assert run_observed([str(program)], witness).returncode == 0
    events = witness.events()
    assert [e.call for e in events[-2:]] == ["wait", "process"]
    assert any(e.call == "shutdown" and e.pid != events[0].pid for e in events)


# -- explanations


def wrong_servers() -> list[Known]:
    """A sample over the lessons, and over how servers fail."""
    wanted = {
        "1-crashes_on_its_second_client",
        "1-takes_eintr_for_the_end",
        "2-reaps_only_when_a_client_comes",
        "3-ignores_sigterm",
        "4-starts_one_worker_too_many",
    }
    return [mutant for mutant in catalogue() if mutant.id in wanted]


@pytest.mark.parametrize("wrong", wrong_servers(), ids=lambda wrong: wrong.id)
def test_a_verdict_is_the_same_with_a_witness_and_without(wrong: Known) -> None:
    build.build(wrong.binary)
    target = Target(wrong.lesson, command=wrong.target.command)
    step = wrong.lesson.step(int(min(wrong.checks("fails")).split(".")[1]))
    reports = [grade(target, step, explain=explain) for explain in (True, False)]
    verdicts = [[(c.id, c.status, c.expected, c.hint) for c in r.checks] for r in reports]
    assert verdicts[0] == verdicts[1]
    assert reports[0].score == reports[1].score
    failed = reports[0].having(Status.FAIL)
    assert failed and all(check.events or check.unexplained for check in failed)
    assert not any(check.events or check.where for check in reports[1].checks)


@pytest.mark.parametrize("wrong", wrong_servers()[:2], ids=lambda wrong: wrong.id)
def test_a_verdict_is_the_same_with_a_witness_in_the_server_from_its_start(wrong: Known) -> None:
    """All known servers: python3 harness/tests/watched.py"""
    build.build(wrong.binary)
    step = wrong.lesson.step(int(min(wrong.checks("fails")).split(".")[1]))
    report, seen = grade_watched(Target(wrong.lesson, command=wrong.target.command), step)
    of_step = {id for id in wrong.checks("fails") if id.startswith(f"{step.id}.")}
    assert {check.id for check in report.having(Status.FAIL)} - wrong.checks("perhaps") == of_step
    assert seen


def test_what_a_sanitizer_finds_has_a_timeline_and_keeps_its_line() -> None:
    wrong = next(mutant for mutant in catalogue() if mutant.id == "3-shares_the_table_without_a_mutex")
    build.build(*wrong.binaries)
    check = CheckResult("3.4.a", "", "", "threads", 3, Status.FAIL, seconds=60, where=Where("a", 7))
    node = "lesson_3.py::no_two_threads_meet_in_the_same_memory"
    program = str(wrong.binary)
    explanation = Explanation(wrong.lesson, (wrong.source,), program, {node: check})
    run_checks(Grading(wrong.target, wrong.target.prepare(), explanation=explanation), [], explanation)
    assert check.unexplained is None and check.where == Where("a", 7)
    assert check.events and check.timeline and check.timeline.saw_the_server


def test_the_line_of_a_crash_is_named() -> None:
    wrong = next(mutant for mutant in catalogue() if mutant.id == "1-crashes_on_its_second_client")
    build.build(wrong.binary)
    lesson = wrong.lesson
    report = grade(Target(lesson, command=wrong.target.command), lesson.step(6))
    where = report.having(Status.FAIL)[0].where
    assert where and where.file == str(wrong.source.relative_to(course.ROOT))
    assert "++*visitors;" in wrong.source.read_text(encoding="utf-8").splitlines()[where.line - 1]


def test_a_static_server_is_graded_and_not_explained(tmp_path: Path) -> None:
    source = tmp_path / "silent.cpp"
    source.write_text("int main() {}\n")
    program = compiled(tmp_path, "g++", "-static", source=str(source))
    lesson = course.lessons()[0]
    report = grade(Target(lesson, command=Command.parse(f"{program} {{port}}")), lesson.step(1))
    failed = report.having(Status.FAIL)
    assert failed
    assert {check.unexplained for check in failed} == {f"{program} is linked statically"}


def test_the_environment_turns_the_witness_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    lesson = course.lessons()[0]
    report = grade(Target(lesson, command=Command.parse("true {port}")), lesson.step(1))
    assert {c.unexplained for c in report.having(Status.FAIL)} == {"the witness is turned off"}
