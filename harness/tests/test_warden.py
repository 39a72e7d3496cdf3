"""The warden holds every server: nothing outlives it, its status is true, its output bounded."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = 65536
STREAM = 8 + 2 * KEPT
PATIENCE = 60.0  # seconds; only a warden that is broken lets a test wait so long

NAMESPACE: list[str] = []
SUBREAPER = ["--no-namespace"]
either_way = pytest.mark.parametrize(
    "options", [NAMESPACE, SUBREAPER], ids=["namespace", "subreaper"]
)


@dataclass
class Warden:
    """One running warden, and what the grader holds of it."""

    outer: subprocess.Popen[bytes]
    control: socket.socket
    output: int
    marker: str

    def read(self) -> tuple[str, int]:
        """The next message and the pid of its sender; an empty message is the end of the socket."""
        text, ancillary, _, _ = self.control.recvmsg(4096, socket.CMSG_SPACE(12))
        pids = [
            struct.unpack("iII", data)[0]
            for _, kind, data in ancillary
            if kind == socket.SCM_CREDENTIALS
        ]
        return text.decode(), pids[0] if pids else 0

    def until(self, word: str) -> tuple[str, int]:
        """Reads on to the message that begins with `word`: what follows it, and the sender."""
        seen = []
        while True:
            message, pid = self.read()
            seen.append(message)
            if message.split(" ")[0] == word:
                return message.removeprefix(word).strip(), pid
            assert message, f"the control socket ended without {word!r}: {seen}"

    def stream(self, k: int) -> tuple[int, bytes, bytes]:
        """Stream 0 (stdout) or 1 (stderr): bytes in all, the first ones, the last of the rest."""
        memory = os.pread(self.output, STREAM, k * STREAM)
        written = int.from_bytes(memory[:8], sys.byteorder)
        head, ring = memory[8 : 8 + KEPT], memory[8 + KEPT :]
        if written <= 2 * KEPT:
            return written, head[:written], ring[: max(0, written - KEPT)]
        oldest = written % KEPT
        return written, head, ring[oldest:] + ring[:oldest]

    def close(self) -> int:
        """Closes the control socket and waits for outer: its exit status."""
        self.control.close()
        return self.outer.wait(PATIENCE)

    def init(self) -> int:
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        return int(children.read_text())

    def survivors(self) -> list[int]:
        return marked(self.marker)


def marked(marker: str) -> list[int]:
    """The processes, those of the warden included, that have `marker` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and marker.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def wait_for_end(pidfds: list[int]) -> None:
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], PATIENCE)[0], "a process lives on"
        os.close(pidfd)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def shell(code: str) -> list[str]:
    return ["/bin/sh", "-c", code]


@pytest.fixture(scope="module")
def binary() -> Path:
    warden = ROOT / "build" / "harness" / "warden" / "warden"
    if not warden.exists():
        pytest.fail(f"{warden} is missing: build it first (meson setup build; ninja -C build)")
    return warden


Start = Callable[..., Warden]


@pytest.fixture
def start(binary: Path) -> Iterator[Start]:
    started: list[Warden] = []

    def start(
        command: list[str],
        options: list[str] = NAMESPACE,
        program: Path = binary,
        inherited: tuple[int, ...] = (),
        **popen: Any,
    ) -> Warden:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(PATIENCE)
        output = os.memfd_create("output")
        os.ftruncate(output, 2 * STREAM)
        marker = f"marker-{uuid.uuid4()}"
        fds = ["--control", str(theirs.fileno()), "--output", str(output)]
        with theirs:
            outer = subprocess.Popen(
                [str(program), *fds, *options, "--", *command, marker],
                pass_fds=(theirs.fileno(), output, *inherited),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                **popen,
            )
        started.append(Warden(outer, ours, output, marker))
        return started[-1]

    yield start
    for warden in started:
        warden.close()
        os.close(warden.output)
        assert not warden.survivors()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Where servers report: opening it for reading waits until one of them opens it for writing."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def reports(fifo: Path, count: int) -> None:
    """Waits until `count` bytes were reported."""
    with open(fifo, "rb", buffering=0) as reader:
        while count > 0:
            assert select.select([reader], [], [], PATIENCE)[0], "the servers stopped reporting"
            got = len(reader.read(count))
            assert got, "the servers ended before they had reported"
            count -= got


# --- The wait status, the pid, the environment ---


@either_way
def test_exit_status_is_exact(start: Start, options: list[str]) -> None:
    status, _ = start(shell("exit 3"), options).until("ended")
    assert int(status) == 3 << 8


@either_way
def test_death_by_a_signal_is_exact(start: Start, options: list[str]) -> None:
    status, _ = start(shell("kill -SEGV $$"), options).until("ended")
    assert int(status) == signal.SIGSEGV


@either_way
def test_a_program_that_is_missing_is_enoent(start: Start, options: list[str]) -> None:
    warden = start(["/no/such/program"], options)
    assert int(warden.until("exec-failed")[0]) == errno.ENOENT
    assert os.waitstatus_to_exitcode(int(warden.until("ended")[0])) == 127


@either_way
def test_a_program_that_is_not_executable_is_eacces(
    start: Start, options: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o644)
    assert int(start([str(program)], options).until("exec-failed")[0]) == errno.EACCES


@either_way
def test_confinement_is_the_first_message(start: Start, options: list[str]) -> None:
    message, _ = start(shell("exit"), options).read()
    assert message.startswith("confined ")
    if options == SUBREAPER:
        assert message == "confined subreaper"
    elif os.geteuid() == 0:
        assert message == "confined pid-namespace"


@either_way
def test_credentials_of_started_carry_the_pid_of_the_server(
    start: Start, options: list[str], fifo: Path
) -> None:
    warden = start(shell(f"echo >{fifo}; sleep 100; exit"), options)
    _, pid = warden.until("started")
    reports(fifo, 1)
    assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] == [b"/bin/sh", b"-c"]
    assert os.getsid(pid) == pid


@either_way
def test_server_has_a_session_or_a_process_group_of_its_own(start: Start, options: list[str]) -> None:
    _, pid = start(shell("exec sleep 600"), options).until("started")
    assert os.getsid(pid) == pid
    _, pid = start(shell("exec sleep 600"), [*options, "--same-session"]).until("started")
    assert os.getpgid(pid) == pid != os.getsid(pid)


@either_way
def test_server_inherits_no_descriptor_and_no_ignored_or_blocked_signal(
    start: Start, options: list[str]
) -> None:
    def ignore_and_block() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD])

    seen = shell(
        "grep -E 'Sig(Ign|Blk)' /proc/self/status;"
        "readlink /proc/self/fd/0; ls /proc/self/fd | wc -l"
    )
    with open("/dev/zero", "rb") as zero:
        warden = start(seen, options, inherited=(zero.fileno(),), preexec_fn=ignore_and_block)
        assert int(warden.until("ended")[0]) == 0
    text = warden.stream(0)[1].decode().split()
    assert text == [
        "SigBlk:",
        "0" * 16,
        "SigIgn:",
        "0" * 16,
        "/dev/null",
        "4",
    ]  # the fourth is that folder


@either_way
def test_a_crash_leaves_no_core_file(start: Start, options: list[str], tmp_path: Path) -> None:
    status, _ = start(shell("kill -SEGV $$"), options, cwd=tmp_path).until("ended")
    assert not os.WCOREDUMP(int(status))
    assert list(tmp_path.iterdir()) == []


# --- The output ---


@either_way
def test_little_output_is_kept_whole_and_stderr_apart(start: Start, options: list[str]) -> None:
    warden = start(shell("echo out; echo err >&2; echo more"), options)
    warden.until("ended")
    assert warden.stream(0) == (9, b"out\nmore\n", b"")
    assert warden.stream(1) == (4, b"err\n", b"")


@either_way
@pytest.mark.parametrize("size", [KEPT - 1, KEPT, KEPT + 1, 2 * KEPT, 2 * KEPT + 7, 50_000_000])
def test_first_and_last_bytes_of_much_output_are_exact(
    start: Start, options: list[str], size: int
) -> None:
    warden = start(
        python(f"for n in range({size} // 16): print('%015d' % n)\nprint(end='x' * ({size} % 16))"),
        options,
    )
    warden.until("ended")
    written, head, tail = warden.stream(0)
    lines = b"".join(b"%015d\n" % n for n in range(KEPT // 16))
    rest = range(max(0, size - KEPT) // 16, size // 16)
    end = b"".join(b"%015d\n" % n for n in rest) + b"x" * (size % 16)
    assert written == size
    assert head == (lines + end)[:size][:KEPT] if size > KEPT else head == end
    assert tail == end[len(end) - min(KEPT, max(0, size - KEPT)) :]
    assert warden.stream(1)[0] == 0


@either_way
def test_a_flood_needs_no_memory(start: Start, options: list[str], fifo: Path) -> None:
    warden = start(shell(f"head -c 100000000 /dev/zero; echo >{fifo}; exec cat /dev/zero"), options)
    warden.until("started")
    reports(fifo, 1)
    status = Path(f"/proc/{warden.init()}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 8192, "kB"


@either_way
def test_end_is_told_although_a_child_floods_the_pipe(start: Start, options: list[str]) -> None:
    status, _ = start(shell("cat /dev/zero & exit 5"), options).until("ended")
    assert int(status) == 5 << 8


FULL_PIPE = """
import fcntl, os
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
open({fifo!r}, "w").write("x")
open({fifo!r}).read()
os.write(1, bytes(500000))
"""


@either_way
def test_all_that_was_written_is_saved_before_the_end_is_told(
    start: Start, options: list[str], fifo: Path
) -> None:
    warden = start(python(FULL_PIPE.format(fifo=str(fifo))), options)
    _, pid = warden.until("started")
    reports(fifo, 1)
    server = os.pidfd_open(pid)
    os.kill(warden.init(), signal.SIGSTOP)
    fifo.write_text("go")
    wait_for_end([server])
    os.kill(warden.init(), signal.SIGCONT)
    warden.until("ended")
    assert warden.stream(0)[0] == 500000


@either_way
def test_output_of_a_child_that_lives_on_is_drained(
    start: Start, options: list[str], fifo: Path
) -> None:
    warden = start(
        shell(f"(read go <{fifo}; head -c 300000 /dev/zero; echo >{fifo}; sleep 100; exit) &"),
        options,
    )
    warden.until("ended")
    fifo.write_text("go\n")
    reports(fifo, 1)  # it could only get here because somebody read what is more than a pipe holds
    assert warden.stream(0)[0] >= 300000 - 2 * KEPT, "a full pipe, and one read not yet counted"


# --- Nothing is left ---

DAEMON = """
import os, signal
if os.fork(): os._exit(0)
os.setsid()
parent_lives, parents_end = os.pipe()
if os.fork(): os._exit(0)
os.close(parents_end)
os.read(parent_lives, 1)
with open({fifo!r}, "w") as fifo: fifo.write("x")
while True: signal.pause()
"""


@either_way
def test_a_daemon_is_gone_when_outer_has_ended(
    start: Start, options: list[str], fifo: Path
) -> None:
    warden = start(python(DAEMON.format(fifo=str(fifo))), options)
    reports(fifo, 1)
    warden.until("ended")
    assert len(warden.survivors()) == 3, "outer, init and the daemon"
    assert warden.close() == 0
    assert warden.survivors() == []


# Each bomb is bounded, should the warden fail: it ends after 10 seconds, and it stays small: the
# wide one needs a token for each process.
BOMB = """
import os, signal, time
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
end = time.monotonic() + 10
fifo = os.open({fifo!r}, os.O_WRONLY)
def report():
    try: os.write(fifo, b"x")
    except OSError: pass
"""
WIDE_BOMB = """
tokens, tokens_in = os.pipe()
os.write(tokens_in, bytes(600))
os.set_blocking(tokens, False)
while time.monotonic() < end:
    try: token = os.read(tokens, 1)
    except BlockingIOError: continue
    if os.fork() == 0: report()
"""

# Ten at a time. Each lives just long enough to put another, in a session of its own, in its place.
RUNNING_BOMB = """
for _ in range(10):
    if os.fork() == 0: break
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    os.setsid()
    report()
"""


@either_way
@pytest.mark.parametrize("bomb", [WIDE_BOMB, RUNNING_BOMB], ids=["wide", "running"])
def test_a_fork_bomb_is_gone_when_outer_has_ended(
    start: Start, options: list[str], bomb: str, fifo: Path
) -> None:
    warden = start(python(BOMB.format(fifo=str(fifo)) + bomb), options)
    reports(fifo, 500)
    assert warden.close() == 0
    assert warden.survivors() == []


@either_way
def test_a_fork_bomb_stands_still_when_it_has_too_many_tasks(start: Start, options: list[str]) -> None:
    bomb = "import os, signal\nsignal.alarm(20)\nwhile os.fork() or not signal.alarm(20): pass"
    warden = start(python(bomb), [*options, "--most-tasks", "200"])
    assert int(warden.until("halted")[0]) > 200
    family = [psutil.Process(pid) for pid in warden.survivors()]
    bombs = [p for p in family if p.pid not in (warden.outer.pid, warden.init())]
    assert {p.status() for p in bombs} == {psutil.STATUS_STOPPED}
    assert warden.close() == 0
    assert warden.survivors() == []


GRADER = """
import os, socket, subprocess, sys
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
output = os.memfd_create("output")
os.ftruncate(output, 2 * 131080)
warden, *rest = sys.argv[1:]
fds = ["--control", str(theirs.fileno()), "--output", str(output)]
passed = (theirs.fileno(), output)
outer = subprocess.Popen([warden, *fds, *rest], pass_fds=passed, start_new_session=True)
theirs.close()
print(outer.pid, flush=True)
outer.wait()
"""


@either_way
def test_nothing_is_left_when_the_grader_is_killed(
    binary: Path, options: list[str], fifo: Path
) -> None:
    marker = f"marker-{uuid.uuid4()}"
    server = [*options, "--", *python(DAEMON.format(fifo=str(fifo))), marker]
    with subprocess.Popen(
        [sys.executable, "-c", GRADER, binary, *server], stdout=subprocess.PIPE
    ) as grader:
        assert grader.stdout is not None
        outer = os.pidfd_open(int(grader.stdout.readline()))
        reports(fifo, 1)
        grader.kill()
        wait_for_end([outer])
    assert marked(marker) == []


@either_way
def test_nothing_is_left_when_outer_is_killed(start: Start, options: list[str], fifo: Path) -> None:
    warden = start(python(DAEMON.format(fifo=str(fifo))), options)
    reports(fifo, 1)
    warden.until("ended")
    everyone = [os.pidfd_open(pid) for pid in warden.survivors()]
    assert len(everyone) == 3, "outer, init and the daemon"
    warden.outer.kill()
    wait_for_end(everyone)


def test_server_cannot_kill_pid_1_of_its_namespace(start: Start) -> None:
    warden = start(
        python("import os; os.kill(1, 9); os.kill(1, 19); os.kill(1, 15); print('tried')")
    )
    if warden.until("confined")[0] == "subreaper":
        pytest.skip("this machine allows no namespaces")
    assert int(warden.until("ended")[0]) == 0
    assert warden.stream(0)[1] == b"tried\n"


def test_a_server_that_kills_its_subreaper_is_gone_too(start: Start) -> None:
    warden = start(shell("kill -KILL $PPID; sleep 100; exit"), SUBREAPER)
    assert warden.until("failed")[0] == "init was killed by SIGKILL"
    assert warden.outer.wait(PATIENCE) == 1
    assert warden.survivors() == []


@either_way
def test_fifty_starts_leave_no_descriptor_and_no_process(start: Start, options: list[str]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        warden = start(shell("sleep 100; exit"), options)
        warden.until("started")
        assert warden.close() == 0
        assert warden.survivors() == []
    assert len(os.listdir("/proc/self/fd")) == before + 50, "only the fifty output files are open"


# --- Who runs it, and how ---


@either_way
def test_an_ordinary_user_is_served_under_the_own_identity(
    start: Start, binary: Path, options: list[str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip(
            "only root can become another user; the other tests run as an ordinary one already"
        )
    user, group = 12345, 12346  # not nobody: to be nobody is what a lost identity looks like
    with tempfile.TemporaryDirectory() as public:
        os.chmod(public, 0o755)
        program = Path(shutil.copy(binary, public))
        fifo = Path(public, "fifo")
        os.mkfifo(fifo)
        os.chown(fifo, user, group)
        child = f"echo >{fifo}; read forever <{fifo}"
        warden = start(
            shell(f"id -u; id -g; setsid sh -c '{child}' $0 & exit 4"),
            options,
            program,
            user=user,
            group=group,
            extra_groups=[],
            cwd="/",
        )
        allowed = ["user-namespace", "subreaper"] if options == NAMESPACE else ["subreaper"]
        assert warden.until("confined")[0] in allowed
        assert int(warden.until("ended")[0]) == 4 << 8
        assert warden.stream(0)[1].split() == [b"%d" % user, b"%d" % group]
        reports(fifo, 1)
        assert len(warden.survivors()) == 3, "outer, init and the child that left the session"
        assert warden.close() == 0
        assert warden.survivors() == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--control", "0", "--output", "1", "--", "true"],
        ["--control", "x"],
        ["--control", "99"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_is_exit_status_2(binary: Path, arguments: list[str]) -> None:
    run = subprocess.run([binary, *arguments], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert run.returncode == 2
    options = "[--disturb] [--most-tasks N] [--same-session] [--uid N]"
    assert f"usage: warden --control FD --output FD {options} -- PROGRAM ARG..." in run.stderr


def test_an_output_file_that_is_too_small_is_told(binary: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    output = os.memfd_create("output")
    with ours, theirs:
        fds = ["--control", str(theirs.fileno()), "--output", str(output)]
        run = subprocess.run(
            [binary, *fds, "--", "true"], pass_fds=(theirs.fileno(), output), timeout=PATIENCE
        )
        os.close(output)
        assert run.returncode == 1
        assert ours.recv(100) == b"failed output: too small"
