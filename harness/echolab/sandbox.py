"""What an untrusted submission may touch: bubblewrap around its compiler and its servers.

Two boxes, one inside the other. The outer one, around the grader of one submission, is a network
of its own: a loopback and nothing else, so that neighbours can have the same port and nobody reaches
out. The inner one, around each build and each server, takes all the rest away: it sees the system's
programs read-only, a small private /tmp, its own processes, and those few files that it is shown.

An ordinary user's boxes are made with user namespaces. Root's need none; there, what is graded runs as
a uid that nobody has.

A platform's container may allow no namespaces at all. There, root can do without walls: what is graded
is a user who may read and write next to nothing, and what compiles it is another one. That protects
our files and processes, while the network, /tmp and the list of processes stay in sight.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from echolab.course import ROOT
from echolab.verdict import GraderTrouble

MIB = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_CONFIGURATION = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime")
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
# Debian gives numbers below 60000 to ordinary users, from 1000 on (man 8 adduser): nobody has these.
_UIDS = range(59_000, 60_000)
_BUILDERS = 1000  # below the uid of who runs a server is the one of who compiles it


@dataclass(frozen=True)
class Limits:
    """What one program in the sandbox may use: bytes, seconds of processor time, numbers.

    The kernel counts each for a process (man 2 setrlimit), except `processes`, which counts the
    threads of all of them together.
    """

    memory: int | None = 2048 * MIB  # of its own; None for sanitizers, which reserve terabytes
    processor: int = 120
    processes: int = 1200  # the warden halts a server with fewer, and that is then said of it
    file: int = 64 * MIB
    open_files: int = 1024
    scratch: int = 64 * MIB  # of /tmp and /dev/shm each, for all together

    def options(self) -> list[str]:
        """As options of prlimit(1)."""
        memory = [] if self.memory is None else [f"--data={self.memory}"]
        return memory + [
            f"--cpu={self.processor}",
            f"--nproc={self.processes}",
            f"--fsize={self.file}",
            f"--nofile={self.open_files}",
        ]


@dataclass(frozen=True)
class Sandbox:
    """How to run a program so that it sees `shown` and no other file of ours, and writes to `written`.

    Without `walls` it is kept from our files by their permissions alone: see lock().
    """

    shown: tuple[Path, ...] = ()
    written: tuple[Path, ...] = ()
    limits: Limits = Limits()
    walls: bool = True
    builds: bool = False

    def showing(self, *paths: Path) -> "Sandbox":
        return replace(self, shown=self.shown + paths)

    def writing(self, *paths: Path) -> "Sandbox":
        return replace(self, written=self.written + paths)

    def within(self, **limits: int | None) -> "Sandbox":
        return replace(self, limits=replace(self.limits, **limits))

    def building(self) -> "Sandbox":
        """For a compiler, who is not the user whose servers run."""
        return replace(self, builds=True)

    def around(
        self, warden: list[str], command: list[str], environment: Mapping[str, str] = {}
    ) -> list[str]:
        """The command line that runs `command` under `warden`, both in the box. Neither bubblewrap
        nor prlimit has the `environment`, and nothing can be preloaded into the warden.

        Without walls, this thread looks at /proc as the command's user from now on. Raises GraderTrouble."""
        if uid := building_uid() if self.builds else graded_uid():
            warden = [*warden, "--uid", str(uid)]
            if not self.walls:
                look_as(uid)
        variables = ["env", *(f"{name}={value}" for name, value in environment.items())]
        variables = variables if environment else []
        box = self._box() if self.walls else ["env", "-i", *(f"{n}={v}" for n, v in _ENVIRONMENT.items())]
        return [*box, "prlimit", *self.limits.options(), *variables, *warden, "--", *command]

    def _box(self) -> list[str]:
        privileges = ["--unshare-user"]
        if graded_uid():  # what the warden needs to hold the server and to make it another user's
            privileges = ["--cap-drop", "ALL"]
            for name in ("SYS_ADMIN", "SETUID", "SETGID", "KILL"):
                privileges += ["--cap-add", f"CAP_{name}"]
        variables = [word for item in _ENVIRONMENT.items() for word in ("--setenv", *item)]
        return [
            "bwrap", *privileges, "--unshare-pid", "--unshare-ipc", "--unshare-uts",
            "--unshare-cgroup-try", "--clearenv", *variables, *self._files(),
        ]  # fmt: skip

    def _files(self) -> list[str]:
        options: list[str] = []
        for name in _SYSTEM:
            if os.path.islink(name):
                options += ["--symlink", os.readlink(name), name]
            elif os.path.isdir(name):
                options += ["--ro-bind", name, name]
            if ROOT.is_relative_to(name):
                options += ["--tmpfs", str(ROOT)]
        options += ["--perms", "0755", "--dir", "/etc"]
        for name in _CONFIGURATION:
            options += ["--ro-bind-try", name, name]
        options += ["--proc", "/proc", "--dev", "/dev"]
        for name in ("/tmp", "/dev/shm"):
            options += ["--perms", "1777", "--size", str(self.limits.scratch), "--tmpfs", name]
        shown = [(path, "--ro-bind") for path in self.shown] + [(path, "--bind") for path in self.written]
        folders = {parent for path, _ in shown for parent in path.parents}
        for folder in sorted(folders - {Path("/"), Path("/tmp"), Path("/dev"), Path("/dev/shm")}):
            # Root's are for root alone otherwise.
            options += ["--perms", "0755", "--dir", str(folder)]
        for path, kind in shown:
            options += [kind, str(path), str(path)]
        return [*options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]


def with_own_network(command: list[str]) -> list[str]:
    """The command line that runs `command` where the network is a loopback of its own.

    All else stays as it is: this is for the grader, who then starts what he grades in a Sandbox.
    """
    rights = ["--cap-add", "ALL"] if os.geteuid() == 0 else ["--unshare-user"]
    return [
        "bwrap", *rights, "--unshare-net", "--unshare-ipc", "--die-with-parent",
        "--dev-bind", "/", "/", "--", *command,
    ]  # fmt: skip


def graded_uid() -> int | None:
    """The uid for what is graded: one that nobody has if we are root, else None, for our own."""
    return _UIDS[os.getpid() % len(_UIDS)] if os.geteuid() == 0 else None


def building_uid() -> int | None:
    """Likewise for the compiler of what is graded."""
    uid = graded_uid()
    return uid and uid - _BUILDERS


def hand_over(folder: Path, uid: int | None) -> Path:
    """Makes `folder` writable for the user `uid`, if there is one; returns it."""
    if uid:
        os.chown(folder, uid, uid)
    return folder


@cache
def forbidden() -> str | None:
    """Why this system lets us make no sandbox, in one sentence; None if it does."""
    for program, package in (("bwrap", "bubblewrap"), ("prlimit", "util-linux")):
        if not shutil.which(program):
            return f"{package} is not installed"
    tried = subprocess.run(
        with_own_network([*Sandbox()._box(), "true"]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if tried.returncode == 0:
        return None
    said = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
    return f"bubblewrap cannot work here ({said}){_remedy()}"


def _remedy() -> str:
    if os.geteuid() == 0:
        return ": a container needs the right to make namespaces (docker run --privileged)"
    for name, allowing in (
        ("kernel/unprivileged_userns_clone", "1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
    ):
        try:
            found = Path("/proc/sys", name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if found != allowing:
            setting = f"{name.replace('/', '.')}={allowing}"
            return f": ordinary users may make no user namespaces; sysctl -w {setting} allows it, or run as root"
    return ": user namespaces are needed, or root"


def lock(open_to_all: Collection[Path]) -> None:
    """Closes the project's tree to everybody but us, except for those folders: what is graded without
    walls is to see these alone. Raises OSError."""

    def close(folder: Path) -> None:
        for path in folder.iterdir():
            if path in open_to_all:
                path.chmod(0o755)
            elif any(path in shown.parents for shown in open_to_all):
                path.chmod(0o711)  # to pass through
                close(path)
            elif not path.is_symlink():
                path.chmod(0o700)

    ROOT.chmod(0o711)
    close(ROOT)


class _Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def look_as(uid: int) -> None:
    """Has this thread of root's look at /proc as the user `uid`, and create files as that user; it
    loses nothing else. Raises GraderTrouble.

    The kernel shows what a process is doing to who has its file system uid and gid (man 2 setfsuid,
    man 2 ptrace: "Ptrace access mode checking"), or to root with CAP_SYS_PTRACE, which a container's
    root has not. The capabilities that setfsuid() takes out of effect are put back.
    """
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version; this thread (man 2 capset)
    found = (_Capabilities * 2)()
    done = _libc.capget(header, found)
    for part in found:
        part.effective = part.permitted
    if done or _libc.capset(header, found) or _libc.setfsuid(uid) != uid:
        raise GraderTrouble(f"the grader cannot look at another user's processes: {os.strerror(ctypes.get_errno())}")


@contextmanager
def real_user_of(pid: int) -> Iterator[None]:
    """For a call that asks who we really are (to attach with ptrace, prlimit): root is the user of
    `pid` meanwhile, in all threads. That user can kill us then, but not more (man 2 kill)."""
    if os.geteuid() != 0:
        yield
        return
    looking_as = _libc.setfsuid(-1)  # changes nothing, and says who it is
    about = os.stat(f"/proc/{pid}")
    os.setresgid(about.st_gid, 0, 0)
    os.setresuid(about.st_uid, 0, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        if looking_as:
            look_as(looking_as)


def demand() -> None:
    """Raises GraderTrouble if there can be no sandbox."""
    if why := forbidden():
        raise GraderTrouble(f"no sandbox: {why}. Without one (--no-sandbox) nothing protects this machine from a submission")
