"""The sandbox: what runs in it sees no file of ours, no process and no network, and has its limits."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from echolab import build, course, sandbox, sanitizers
from echolab.course import ROOT
from echolab.grading import own_command
from echolab.sandbox import MIB, Sandbox
from echolab.server import Command, Server
from echolab.warden import Warden
from echolab.witness import Witness

PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.skipif(bool(sandbox.forbidden()), reason=str(sandbox.forbidden()))


def run(warden: Path, box: Sandbox, *command: str) -> tuple[int, str]:
    """Runs a program in the box: its exit code, and what it printed."""
    held = Warden(warden, command, sandbox=box)
    try:
        return held.wait(60), held.printed(0) + held.printed(1)
    finally:
        held.close()


def python(warden: Path, program: str, box: Sandbox = Sandbox()) -> tuple[int, str]:
    return run(warden, box, PYTHON, "-c", program)


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", "/root", "/home", "/var", str(ROOT / "solutions"), str(ROOT / "harness/checks")]
)
def test_files_that_are_not_shown_are_not_there(warden: Path, path: str) -> None:
    assert run(warden, Sandbox(), "ls", path)[0] != 0


def test_what_is_shown_can_be_read_and_not_written(warden: Path, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("seen")
    tmp_path.chmod(0o755)
    box = Sandbox().showing(tmp_path)
    assert run(warden, box, "cat", str(tmp_path / "given")) == (0, "seen")
    assert run(warden, box, "touch", str(tmp_path / "forged"))[0] != 0


def test_what_is_to_be_written_is_written_outside(warden: Path, tmp_path: Path) -> None:
    box = Sandbox().writing(sandbox.hand_over(tmp_path, sandbox.graded_uid()))
    assert run(warden, box, "touch", str(tmp_path / "made"))[0] == 0
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("folder", ["/", "/usr", "/dev", "/etc"])
def test_the_system_is_read_only(warden: Path, folder: str) -> None:
    assert run(warden, Sandbox(), "touch", f"{folder}/forged")[0] != 0


def test_nothing_is_written_into_the_tree(warden: Path) -> None:
    run(warden, Sandbox(), "touch", str(ROOT / "forged"))
    assert not (ROOT / "forged").exists()


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_is_private_and_small(warden: Path, folder: str) -> None:
    box = Sandbox().within(scratch=2 * MIB)
    program = f"open('{folder}/full', 'wb').write(bytes({4 * MIB}))"
    assert "No space left" in python(warden, program, box)[1]
    assert not Path(folder, "full").exists()


def test_nobody_outside_is_seen_or_signalled(warden: Path) -> None:
    seen = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')), os.getpid())"
    count, pid = map(int, python(warden, seen)[1].split())
    assert count <= 5 and pid < 5  # bubblewrap's own, the warden's two, and itself
    code, _ = python(warden, f"import os; os.kill({os.getpid()}, 0)")
    assert code != 0


def test_the_warden_cannot_be_traced_or_robbed(warden: Path) -> None:
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in sorted(int(n) for n in os.listdir('/proc') if n.isdigit()):
    name = open(f'/proc/{pid}/comm').read().strip()
    if name not in ('warden', 'bwrap'):
        continue
    for part in ('mem', *(f'fd/{number}' for number in range(64))):
        try:
            open(f'/proc/{pid}/{part}', 'rb')
            print(name, 'opens', part)
        except FileNotFoundError:
            pass
        except PermissionError:
            print(name, 'is closed')
print('init', libc.ptrace(16, 1, 0, 0), os.strerror(ctypes.get_errno()))
"""
    _, said = python(warden, program)
    assert "opens" not in said and "warden is closed" in said and "bwrap is closed" in said
    assert "init -1 Operation not permitted" in said


def test_its_environment_is_empty_and_its_user_is_not_root(warden: Path) -> None:
    _, said = run(warden, Sandbox(), "env")
    assert {line.split("=")[0] for line in said.splitlines()} <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_"}
    assert int(run(warden, Sandbox(), "id", "-u")[1]) == (sandbox.graded_uid() or os.getuid()) != 0


def test_what_is_preloaded_into_the_server_is_not_into_what_holds_it(warden: Path) -> None:
    lesson = course.lessons()[0]
    binary = build.server(lesson, solutions=True)
    build.build(build.WITNESS, binary)
    with closing(Witness(build.WITNESS)) as witness:
        command = Command(own_command(binary, lesson), sandbox=Sandbox().showing(binary))
        with closing(Server(command, warden, witness=witness)) as server:
            assert server.start()
            assert {event.pid for event in witness.events()} == {witness.inside(server.pid)}


def test_no_capability_is_left(warden: Path) -> None:
    _, said = run(warden, Sandbox(), "grep", "CapEff\\|CapPrm\\|NoNewPrivs", "/proc/self/status")
    assert [int(line.split()[1], 16) for line in said.splitlines()] == [0, 0, 1]


def test_processes_are_limited(warden: Path) -> None:
    program = """
import os, time
count = 0
try:
    while os.fork():
        count += 1
    time.sleep(1000)
except BlockingIOError:
    print(count)
"""
    _, said = python(warden, program, Sandbox().within(processes=40))
    assert int(said.split()[0]) < 40


def test_memory_is_limited(warden: Path) -> None:
    _, said = python(warden, f"bytearray({300 * MIB})", Sandbox().within(memory=100 * MIB))
    assert "MemoryError" in said


def test_processor_time_is_limited(warden: Path) -> None:
    assert python(warden, "while True: pass", Sandbox().within(processor=1))[0] < 0


def test_the_network_is_a_loopback_of_its_own() -> None:
    program = (
        "import socket, os; print([n for _, n in socket.if_nameindex()])\n"
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
        "c = socket.create_connection(s.getsockname()); print('connected')\n"
        "try: socket.create_connection(('192.0.2.1', 80), 5)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    run = subprocess.run(
        sandbox.with_own_network([sys.executable, "-c", program]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.splitlines() == ["['lo']", "connected", "Network is unreachable"]


def test_without_bubblewrap_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    sandbox.forbidden.cache_clear()
    try:
        assert sandbox.forbidden() == "bubblewrap is not installed"
    finally:
        sandbox.forbidden.cache_clear()


# -- without walls: permissions alone

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users to give away")


@as_root
def test_without_walls_it_is_another_user_who_reads_nothing_of_ours(warden: Path, tmp_path: Path) -> None:
    box = Sandbox(walls=False)
    secret = tmp_path / "secret"
    secret.write_text("forty-two")
    secret.chmod(0o600)
    assert run(warden, box, "cat", str(secret))[0] != 0
    assert int(run(warden, box, "id", "-u")[1]) == sandbox.graded_uid()
    assert int(run(warden, box.building(), "id", "-u")[1]) == sandbox.building_uid() != sandbox.graded_uid()
    _, said = run(warden, box, "grep", "CapEff\\|CapPrm\\|NoNewPrivs\\|Groups", "/proc/self/status")
    assert said.split() == ["Groups:", "CapPrm:", "0" * 16, "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    assert "PYTHONPATH" not in run(warden, box, "env")[1]
    assert python(warden, f"import os; os.kill({os.getpid()}, 0)", box)[0] != 0


@as_root
def test_without_walls_there_are_limits_too(warden: Path) -> None:
    box = Sandbox(walls=False).within(memory=100 * MIB)
    assert "MemoryError" in python(warden, f"bytearray({300 * MIB})", box)[1]


def test_a_locked_tree_is_open_where_it_has_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("solutions/1", "build/kit/lessons", "build/solutions", "build/harness/witness", "build/harness/warden"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(sandbox, "ROOT", tmp_path)
    sandbox.lock([tmp_path / "build/kit", tmp_path / "build/harness/witness"])
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {name for name, mode in modes.items() if mode == 0o711} == {"build", "build/harness"}
    assert {name for name, mode in modes.items() if mode == 0o700} == {"solutions", "build/solutions", "build/harness/warden"}


@as_root
def test_who_looks_as_another_user_loses_no_right() -> None:
    seen: list[str] = []

    def look() -> None:  # in a thread, which takes it along
        sandbox.look_as(59_001)
        seen.append(Path("/proc/thread-self/status").read_text())

    mine = Path("/proc/thread-self/status").read_text()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    users, caps = (next(line for line in seen[0].splitlines() if line.startswith(name)) for name in ("Uid:", "CapEff:"))
    assert users.split()[1:] == ["0", "0", "0", "59001"] and caps in mine


@pytest.mark.parametrize(("answer", "words"), [("false", ()), ("true", ("setarch", "-R"))])
def test_where_addresses_cannot_be_fixed_sanitizers_start_without(
    answer: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "setarch").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "setarch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sanitizers.same_addresses.cache_clear()
    try:
        assert sanitizers.same_addresses() == words
    finally:
        sanitizers.same_addresses.cache_clear()
