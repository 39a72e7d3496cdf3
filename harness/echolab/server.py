"""One server that is being graded: started under a warden, watched from outside, disturbed."""

import itertools
import os
import select
import shlex
import shutil
import signal
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import psutil

from echolab import diagnosis, procfs, sockets
from echolab.client import Act, Client
from echolab.procfs import Process, Sleep, Task
from echolab.sandbox import Sandbox
from echolab.verdict import GraderTrouble, Outcome
from echolab.warden import NotStarted, Warden
from echolab.witness import Witness

# When it is certain that nothing more will happen. All of these only bound how long a wrong server
# is watched: what a right one does is an event, and ends the wait by itself.
_ASLEEP = 0.03  # seconds in which nobody ran, all asleep without a limit and no byte under way
_TIMED_WAKES = 4  # who sleeps for a time has been awake so often, and done nothing
_TIMED_WAKES_AGAIN = 2  # the same, where nothing hangs on it any more
_TIMED_SECONDS = 0.5
_TIMED_SECONDS_AGAIN = 0.1  # the same, of who is known to poll, with no byte under way
_STOPPED = 2.0  # the same, with somebody stopped (SIGSTOP): whoever has stopped us all may go on with us
_SPIN_NS = 1_000_000_000  # processor time used without what was waited for
_SPIN_QUIET_NS = 300_000_000  # the same, where its sleep is what is waited for
_SPIN_QUIET_NS_AGAIN = 100_000_000  # the same, of who is known to spin
_SPIN_EACH_NS_AGAIN = 30_000_000  # likewise, by each thread that runs, while all others sleep until an event
_SPIN_STARTING_NS = 30_000_000_000  # the same, for what an interpreter does before it listens
_POLLING = 0.1  # seconds: who sleeps no longer than that at a time, polls
_DEADLINE = 10.0  # seconds on an idle machine, for all else
_STOOD_STILL = 1.0  # seconds between two looks of ours, a few ms apart: we have not run either
_MOST_ACTS = 20_000  # of our clients are remembered
_MANY_TASKS = 100  # more than before, in one wait: then that is what the processor time went into
_MOST_TASKS = 1000  # processes and threads: a server that has more has lost control of its forks


@cache
def slowness() -> float:
    """How many times slower than an idle ordinary machine this one is now; at least 1."""
    start = time.perf_counter()
    sum(range(300_000))
    return max(1.0, (time.perf_counter() - start) / 0.006)


class CommandError(Exception):
    """The command line of a server cannot be used."""


@dataclass(frozen=True)
class Command:
    """How to start a server: a command with {port}, and perhaps {host}, {slots} and {threads}; in a
    sandbox, if it is not trusted.

    Raises CommandError if its program is missing or is not executable.
    """

    words: tuple[str, ...]
    fixed_port: int | None = None
    text: str = ""
    sandbox: Sandbox | None = None

    @staticmethod
    def parse(text: str, port: int | None = None) -> "Command":
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise CommandError(f"--server {text!r}: {error}") from error
        if not words:
            raise CommandError("--server: the command is empty")
        if port is None and "{port}" not in text:
            raise CommandError(
                "--server: the command has no {port}; write it where the port goes, "
                "or name the port it always uses with --port N"
            )
        program = words[0]
        if shutil.which(program) is None:
            found = Path(program)
            why = "is a folder" if found.is_dir() else "is not executable"
            raise CommandError(f"--server: {program} {why if found.exists() else 'does not exist'}")
        return Command(words, port, text)

    def without_memory_limit(self) -> "Command":
        """The same for a server with a sanitizer, which reserves terabytes."""
        return replace(self, sandbox=self.sandbox and self.sandbox.within(memory=None))

    def takes(self, name: str) -> bool:
        """Whether the command has the placeholder {name}."""
        return any("{" + name + "}" in word for word in self.words)

    def fill(self, **values: object) -> list[str]:
        filled = []
        for word in self.words:
            for name, value in values.items():
                word = word.replace("{" + name + "}", str(value))
            filled.append(word)
        return filled


@dataclass
class Habits:
    """What one program was seen to do. Once is proof enough: later waits for it are shorter.

    `judged`: the verdicts are there, and what failed fails again, only to be explained.
    """

    spins: bool = False
    polls: bool = False
    judged: bool = False


class Server:
    """A running server. Close it when done: nothing of it is left then.

    A `witness` is preloaded into it. Raises GraderTrouble if it cannot be started at all, or if its
    port is somebody else's.
    """

    def __init__(
        self,
        command: Command,
        warden: Path,
        *,
        host: str = "127.0.0.1",
        disturb: bool = False,
        same_session: bool = False,
        witness: Witness | None = None,
        habits: Habits | None = None,
        slots: int = 128,
        threads: int = 4,
    ) -> None:
        self.command = command
        self.host = host
        # What the command cannot be told, it is taken to have by default.
        self.slots = slots if command.takes("slots") else 128
        self.threads = threads if command.takes("threads") else 4
        self.port = 0
        self._look_ms = 0.0  # how long the last look at all tasks has taken
        self.pid = 0
        self.habits = habits or Habits()
        self._watched: set[tuple[str, int]] = set()  # addresses of clients
        self.clients: list[Client] = []
        self.acts: deque[Act] = deque(maxlen=_MOST_ACTS)
        self._client_numbers = itertools.count(1)
        self._warden_binary, self._disturb, self._same_session = warden, disturb, same_session
        self.witness = witness
        self._warden: Warden | None = None
        self._reservation: socket.socket | None = None

    # -- start and end

    def choose_port(self) -> int:
        """The port that the program will be started on: a free one, unless it is fixed."""
        if not self.port:
            self.port = self._reserve_port()
        return self.port

    def launch(self) -> None:
        """Starts the program, without waiting for anything."""
        self.choose_port()
        words = self.command.fill(
            port=self.port, host=self.host, slots=self.slots, threads=self.threads
        )
        try:
            witness, sandbox = self.witness, self.command.sandbox
            if sandbox and witness:
                library, folder = witness.files
                sandbox = sandbox.showing(library).writing(folder)
            self._warden = Warden(
                self._warden_binary,
                words,
                disturb=self._disturb,
                most_tasks=_MOST_TASKS,
                same_session=self._same_session,
                environment=witness.environment if witness else {},
                sandbox=sandbox,
            )
        except NotStarted as error:
            raise GraderTrouble(f"{words[0]} cannot be started: {error}") from error
        self.pid = self._warden.pid
        if self.witness:
            self.witness.has_begun(self.pid, words[0])

    def start(self) -> Outcome:
        """Starts the program and waits until it listens where it was told to.

        Only a listener that belongs to the program counts: a stale server, or somebody else's, is
        never graded.
        """
        for _ in range(5):
            self.launch()
            outcome = self.until(self._listens, while_starting=True)
            if outcome.value == "ours":
                # Between listen() and the first accept() it may have more to prepare, and a daemon
                # to become.
                self.settle()
                return self.until(self._listens)
            if not outcome:
                return self.not_listening(outcome)
            if self.command.fixed_port:
                break
            self.close()
        raise GraderTrouble(f"port {self.command.fixed_port} is held by another program")

    def _listens(self) -> str | None:
        found = sockets.listener(self.host, self.port)
        if not found:
            return None
        holders = sockets.owners(found.inode, [process.pid for process in self.processes()])
        if holders:
            # The first is the uppermost: the program itself, or what it became as a daemon.
            self.pid = holders[0]
            if self.witness:
                self.witness.has_begun(self.pid, self.command.words[0])
            return "ours"
        still = sockets.listener(self.host, self.port)
        return "stranger" if still and still.inode == found.inode else None

    def listens_on(self) -> str:
        """The address of the listener that clients of host and port reach."""
        found = sockets.listener(self.host, self.port)
        return found.address if found else "nothing"

    def not_listening(self, outcome: Outcome) -> Outcome:
        """`outcome`, with the place where it listens instead, if it does."""
        observed = outcome.observed
        cause = None
        pids = [process.pid for process in self.processes()]
        for row in sockets.listeners():
            if sockets.owners(row.inode, pids):
                observed = f"it listens on {row.address}:{row.port} instead"
                cause = "the port of the command line is not used, or not converted with htons()"
        return Outcome(False, observed, cause or outcome.cause)

    def close(self) -> None:
        """Ends the server, all that it has started, and its clients."""
        for client in self.clients:
            client.discard()
        self.clients.clear()
        if self._warden:
            self._warden.close()
            self._warden = None
        if self._reservation:
            self._reservation.close()
            self._reservation = None
        self.port = 0

    def leave_old_connection(self) -> socket.socket:
        """Leaves a connection on the chosen port that its listening side has closed first.

        The kernel keeps that side for a minute (FIN_WAIT2, TIME_WAIT), and bind() without
        SO_REUSEADDR or SO_REUSEPORT refuses the port meanwhile. Closing what is returned ends it.
        """
        old = socket.socket()
        with socket.socket() as listener:
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
            listener.bind((self.host, self.choose_port()))
            listener.listen()
            old.connect((self.host, self.port))
            listener.accept()[0].close()
            old.recv(1)  # the end of file: it has been closed first
        old.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return old

    def _reserve_port(self) -> int:
        if self.command.fixed_port:
            self._wait_for_fixed_port(self.command.fixed_port)
            return self.command.fixed_port
        # Below the range that the kernel gives to connecting clients. The name keeps other graders
        # away until we have ended, whichever way that happens.
        span = range(10_000, 32_000)
        for step in range(len(span)):
            port = span[(os.getpid() * 7 + time.monotonic_ns() + step) % len(span)]
            if port >> 8 == port & 0xFF:  # whoever forgets htons() would listen on the right one
                continue
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                name.bind(f"\0echolab-port-{port}")
                with socket.socket() as probe:
                    probe.bind(("0.0.0.0", port))
            except OSError:
                name.close()
                continue
            if self._reservation:
                self._reservation.close()
            self._reservation = name
            return port
        raise GraderTrouble("no free TCP port between 10000 and 32000")

    def _wait_for_fixed_port(self, port: int) -> None:
        refuse_taken_port(self.host, port)
        end = time.monotonic() + 75  # TIME_WAIT lasts 60 s (TCP_TIMEWAIT_LEN), and ends without an event
        back_off = 0.01
        while time.monotonic() < end:
            with socket.socket() as probe:
                try:
                    probe.bind(("0.0.0.0", port))
                    return
                except PermissionError as error:
                    raise GraderTrouble(f"port {port} needs more rights than we have") from error
                except OSError:
                    time.sleep(back_off)
                    back_off = min(2 * back_off, 1.0)
        raise GraderTrouble(f"port {port} does not become free")

    def next_client_number(self) -> int:
        return next(self._client_numbers)

    # -- what is seen

    def processes(self) -> list[Process]:
        """The server and all that descends from it, parents first."""
        return list(self._each_process())

    def _each_process(self) -> Iterator[Process]:
        if self._warden:
            init = self._warden.init  # reaps at once what it has inherited
            found = procfs.descendants(init)
            yield from (process for process in found if not (process.zombie and process.parent == init))

    def tasks(self) -> list[Task]:
        return [task for process in self.processes() for task in process.tasks]

    @property
    def exit_code(self) -> int | None:
        """Of the program that was started: None while it runs, negative if a signal ended it."""
        if not self._warden:
            return None
        code = self._warden.poll()
        if code is None and procfs.has_ended(self._warden.pid):
            code = self._warden.wait()  # the warden is about to say it
        return code

    @property
    def halted(self) -> int:
        """How many processes and threads it had when it was stopped for having too many; else 0."""
        if not self._warden:
            return 0
        self._warden.poll()
        return self._warden.halted

    def has_ended(self) -> bool:
        """Whether the program and all that it started have ended."""
        return self.exit_code is not None and not any(not p.zombie for p in self.processes())

    def threads_alive(self) -> int:
        """How many threads the listening process has."""
        return sum(task.pid == self.pid for task in self.tasks())

    def mapped_stacks(self) -> int:
        """How many guarded regions, as each thread's stack is one, the listening process has."""
        return procfs.guarded_mappings(self.pid)

    def stays(self) -> Outcome:
        """The listening process is still there."""
        code = None
        if not procfs.descriptors(self.pid):
            # Its descriptors go first when a process ends.
            self.until(lambda: self.exit_code is not None, quiet=True)
            code = self.exit_code or 0
        cause = diagnosis.exit_cause(code) if code else None
        return Outcome(code is None, self.describe(), cause)

    def descriptors(self) -> dict[int, str]:
        return procfs.descriptors(self.pid)

    def open_descriptors(self) -> int:
        return len(self.descriptors())

    def cpu_ns(self) -> int:
        """Processor time that the living threads have used, in nanoseconds."""
        return sum(task.cpu_ns for task in self.tasks())

    def would_interrupt(self, number: int) -> bool:
        """Whether the signal runs a handler in the listening process's only thread."""
        return len([t for t in self.tasks() if t.pid == self.pid]) == 1 and (
            procfs.catches(self.pid, number) and not procfs.blocks(self.pid, number)
        )

    def zombies(self) -> list[int]:
        """Processes that have ended and that their parent has not waited for."""
        return [process.pid for process in self.processes() if process.zombie]

    def children_are_reaped(self) -> bool:
        """Whether there is no zombie, and nobody is about to become one: all others sleep."""
        tasks = (task for process in self._each_process() for task in process.tasks)
        return all(task.sleep is not Sleep.NONE for task in tasks)

    def living(self) -> list[int]:
        """Processes that have not ended, the uppermost first."""
        return [process.pid for process in self.processes() if not process.zombie]

    def serving(self, client: Client) -> int:
        """The process that serves the client: of those that hold the server's end of the connection
        the first below the listening one. Children that are born later may hold a leak of it."""
        holders = self.holders(client)
        below = [pid for pid in holders if pid != self.pid]
        return below[0] if below else self.pid

    def holders(self, client: Client) -> list[int]:
        """Every process that holds the server's end of the connection, parents first."""
        inode = client.server_inode()
        return sockets.owners(inode, self.living()) if inode else []

    def output(self) -> tuple[str, str]:
        """What it printed to stdout and stderr: the first and the last part, if it was much."""
        if not self._warden:
            return "", ""
        return self._warden.printed(0), self._warden.printed(1)

    # -- what is done to it

    def signal(self, number: int) -> None:
        """Sends a signal to the process that listens; none if it has ended."""
        self._note(signal.Signals(number).name)
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def _note(self, what: str) -> None:
        self.acts.append(Act(time.monotonic_ns(), 0, what))

    def has_run_since(self, tasks: list[Task]) -> bool:
        """Whether the listening process has run, and sleeps again or has used 20 ms in a loop."""
        before = {task.tid: task for task in tasks if task.pid == self.pid}
        now = [task for task in self.tasks() if task.pid == self.pid]
        ran = any(t.tid not in before or t.ran > before[t.tid].ran for t in now)
        used = sum(t.cpu_ns - before[t.tid].cpu_ns for t in now if t.tid in before)
        return ran and (all(t.sleep is not Sleep.NONE for t in now) or used > 20_000_000)

    def interrupt(self, pid: int) -> None:
        """Sends a signal to a process that sleeps, and waits until it has run, and sleeps again or has ended.

        SIGUSR1 if it is caught, as the lessons' main() does; else SIGCHLD, which does no harm to
        who has no handler for it (man 7 signal).
        """
        self.until(lambda: self._sleeps(pid), quiet=True)
        before = [task for task in self.tasks() if task.pid == pid]
        caught = [n for n in (signal.SIGUSR1, signal.SIGCHLD) if procfs.catches(pid, n)]
        number = caught[0] if caught else signal.SIGCHLD
        self._note(number.name)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if caught:
            self.until(lambda: self._has_run(before) and self._sleeps(pid), quiet=True)

    def _sleeps(self, pid: int) -> bool:
        tasks = (task for task in self.tasks() if task.pid == pid)
        return all(task.sleep is not Sleep.NONE or task.state == "Z" for task in tasks)

    def _has_run(self, before: list[Task]) -> bool:
        ran = {task.tid: task.ran for task in self.tasks()}
        return any(ran.get(task.tid) != task.ran for task in before)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The listening process stands still meanwhile (SIGSTOP)."""
        self.signal(signal.SIGSTOP)
        try:
            self.until(lambda: all(t.state == "T" for t in self.tasks() if t.pid == self.pid))
            yield
        finally:
            self.signal(signal.SIGCONT)

    @contextmanager
    def no_more_descriptors(self) -> Iterator[None]:
        """The listening process can open none meanwhile: EMFILE is real, by RLIMIT_NOFILE."""
        taken = self.descriptors()
        lowest_free = next(n for n in range(len(taken) + 1) if n not in taken)
        process = psutil.Process(self.pid)
        before = procfs.limit_descriptors(self.pid, lowest_free)
        try:
            yield
        finally:
            if process.is_running():
                procfs.limit_descriptors(self.pid, before)

    @contextmanager
    def failing(self, call: str, error: int) -> Iterator[None]:
        """The next "fork" or "accept" fails with the errno `error`, without having happened.

        Returns when it has, or when the server sleeps and has no use for it. Needs disturb=True.
        """
        assert self._warden
        before = self._warden.disturbed
        self._warden.fail_next(call, error)
        yield
        self.until(lambda: self._warden and self._warden.disturbed > before, quiet=True)

    # -- waiting

    def watch(self, client: tuple[str, int]) -> None:
        """From now on, what is under way to and from this client's address counts."""
        self._watched.add(client)

    def may_hear(self) -> bool:
        """Whether something is under way that arrives by itself."""
        queue = sockets.listener(self.host, self.port)
        for client in [*self._watched]:
            found = sockets.ends((self.host, self.port), client)
            if found.may_arrive(queue):
                return True
            if found.is_over:
                self._watched.discard(client)
        return False

    def until(
        self,
        reached: Callable[[], object],
        watched: socket.socket | select.epoll | None = None,
        events: int = 0,
        *,
        quiet: bool = False,
        while_starting: bool = False,
    ) -> Outcome:
        """Waits until `reached` gives something true; returns that as the Outcome's value.

        Gives up when it can be seen that it will not happen: everything the server is made of has
        ended, or sleeps with nothing under way that could wake it, or runs without end. `events` on
        `watched` shorten the waiting, no more. With `quiet` the caller expects the sleep.
        """
        patience = _Patience(self, quiet, while_starting)
        poller = select.poll()
        watching = self._warden if self.exit_code is None else None
        if watching:
            poller.register(watching, select.POLLIN)
        if watched and events:
            poller.register(watched, events)
        # To look at a thousand processes takes time that they could use: no more than half is for that.
        delay = max(5.0, self._look_ms) if watched else 0.2
        while True:
            if value := reached():
                return Outcome(True, value=value)
            poller.poll(delay)
            if watching and self.exit_code is not None:
                poller.unregister(watching)
                watching = None
            if value := reached():
                return Outcome(True, value=value)
            looking = time.monotonic()
            if ending := patience.ended():
                value, code = reached(), self.exit_code
                cause = diagnosis.exit_cause(code) if code else patience.cause
                return Outcome(True, value=value) if value else Outcome(False, ending, cause)
            self._look_ms = min((time.monotonic() - looking) * 1000, 500)  # more: we were stopped meanwhile
            delay = max(min(delay * 1.5, 10), self._look_ms)

    def settle(self) -> bool:
        """Waits until the server sleeps, whatever in, and nothing is under way to it; False if it runs on."""
        limits = self._asleep_twice()

        def settled() -> bool:
            # In this order, and both each time: limits() compares with the time before.
            quiet = not self.may_hear()
            return limits() is not None and quiet

        return bool(self.until(settled, quiet=True))

    def _asleep_twice(self) -> Callable[[], dict[Task, float | None] | None]:
        """Says, when called, what has slept since the call before: all, each with how long it asked to
        sleep (procfs.time_limit), or None if anybody was awake."""
        seen: dict[Task, float | None] = {}

        def limits() -> dict[Task, float | None] | None:
            nonlocal seen
            tasks = self.tasks()
            if tasks == list(seen) and all(task.state in "SZt" for task in tasks):
                return seen  # nobody has run between: what was read then was true
            seen = {task: procfs.time_limit(task) for task in tasks}
            return None

        return limits

    def sleeps(self) -> Outcome:
        """The server sleeps, and is not woken by its own clock all the time; or it has ended."""
        limits = self._asleep_twice()
        outcome = self.until(lambda: limits() or self.has_ended(), quiet=True)
        found = outcome.value
        if not isinstance(found, dict):  # it has ended, or was never seen asleep
            found = {task: procfs.time_limit(task) for task in self.tasks()}
        for task, limit in found.items():
            if limit is not None and limit < _POLLING:
                observed = f"the server {task} for {limit * 1000:g} ms at a time, again and again"
                return Outcome(False, observed)
        return outcome

    def describe(self) -> str:
        """What it is doing now, in one sentence."""
        if self.exit_code is not None and self.has_ended():
            return self._describe_end()
        processes = self.processes()
        main = next((p for p in processes if p.pid == self.pid), None)
        if not main:
            left = _listed("process", tuple(p.tasks[0] for p in processes))
            return f"{self._describe_end()}; {left}" if left else "the server is gone"
        text = f"the server {main.tasks[0]}"
        if others := main.tasks[1:]:
            text += f"; {_listed('thread', others)}"
        if others := tuple(p.tasks[0] for p in processes if p is not main):
            text += f"; {_listed('process', others)}"
        return text

    def _describe_end(self) -> str:
        text = "the server is gone"
        if self.exit_code is not None:
            text += f": {diagnosis.exit_text(self.exit_code)}"
        printed = [line for part in self.output() for line in part.splitlines() if line.strip()]
        if printed:
            text += f"; its last words: {diagnosis.excerpt(printed[-1].encode(), 160)}"
        return text


def _listed(kind: str, tasks: tuple[Task, ...]) -> str:
    """What other threads or processes do, those that do the same taken together."""
    plural = kind + ("es" if kind.endswith("s") else "s")
    counts = Counter(str(task) for task in tasks if task.state != "Z")
    parts = [
        f"another {kind} {what}" if count == 1 else f"{count} other {plural}: each {what}"
        for what, count in counts.most_common(4)
    ]
    if zombies := sum(task.state == "Z" for task in tasks):
        parts.insert(0, "1 zombie" if zombies == 1 else f"{zombies} zombies")
    return "; ".join(parts)


def refuse_taken_port(host: str, port: int) -> None:
    """Raises GraderTrouble if somebody listens on `port`: his answers must not be graded."""
    if found := sockets.listener(host, port):
        raise GraderTrouble(f"port {port} is held by {_holder(found.inode)}; end that first")


def _holder(inode: int) -> str:
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if sockets.owners(inode, [process.info["pid"]]):
                return f"process {process.info['pid']} ({process.info['name']})"
        except (procfs.Hidden, psutil.Error):
            continue
    return "another program"


class _Patience:
    """Decides when waiting has become pointless, from what the server's threads do meanwhile."""

    def __init__(self, server: Server, quiet: bool, while_starting: bool) -> None:
        self.cause: str | None = None
        self._server, self._quiet = server, quiet
        if while_starting:
            self._spin_ns = _SPIN_STARTING_NS
        elif server.habits.spins:
            self._spin_ns = _SPIN_QUIET_NS_AGAIN if quiet else _SPIN_QUIET_NS
        else:
            self._spin_ns = _SPIN_QUIET_NS if quiet else _SPIN_NS
        self._start = self._looked = time.monotonic()
        self._missed = 0.0  # seconds in which we did not run either: the machine was suspended, or we were stopped
        self._asleep = 1.0 if while_starting else _ASLEEP
        self._first: dict[int, Task] | None = None
        self._last: tuple[Task, ...] = ()
        self._timed: set[int] = set()  # who was seen to sleep for a time
        self._same: dict[int, Task] = {}  # all there are, since nobody has come or gone
        self._since = self._same_since = self._start
        self._samples = 0

    def ended(self) -> str | None:
        """Why there is nothing to wait for any more, or None."""
        server, now = self._server, self._now()
        if halted := server.halted:
            return self._too_many(halted)
        if now - self._start > _DEADLINE * slowness():
            return f"{server.describe()}, after {now - self._start:.0f} s"
        tasks = tuple(server.tasks())
        if server.exit_code is not None and all(task.state == "Z" for task in tasks):
            return None if server.may_hear() else server.describe()
        if self._first is None:
            self._first = {task.tid: task for task in tasks}
        used = self._cpu_since_start(tasks)
        if used > self._spin_ns or self._spins_again(tasks):
            if server.may_hear():
                self._first = {task.tid: task for task in tasks}
                return None
            if len(tasks) - len(self._first) > _MANY_TASKS:
                return self._too_many(len(tasks))
            server.habits.spins = True
            return f"{server.describe()}, and has used {used / 1e9:.1f} s of processor time meanwhile"
        self._timed |= {task.tid for task in tasks if task.sleep is Sleep.TIMED}
        if self._timed_in_vain(tasks, now):
            server.habits.polls = True
            return server.describe()
        if tasks != self._last:
            self._last, self._since, self._samples = tasks, now, 0
            return None
        self._samples += 1
        sleeps = {task.sleep for task in tasks if task.state != "Z"}
        if Sleep.NONE in sleeps or not sleeps:
            return None
        if Sleep.TIMED in sleeps and not self._quiet:
            return None
        asleep = _STOPPED if any(task.state == "T" for task in tasks) else self._asleep
        if self._samples < 3 or now - self._since < asleep:
            return None
        # In this order: what has come before anybody could look has woken somebody.
        return None if server.may_hear() or tuple(server.tasks()) != tasks else server.describe()

    def _too_many(self, tasks: int) -> str:
        self.cause = "it forks, or starts threads, without end: who comes back into the loop?"
        return f"the server has started {tasks:,} processes and threads"

    def _now(self) -> float:
        """time.monotonic(), as if no time had passed while nobody ran."""
        before, self._looked = self._looked, time.monotonic()
        if self._looked - before > _STOOD_STILL:
            self._missed += self._looked - before
        return self._looked - self._missed

    def _cpu_since_start(self, tasks: Iterable[Task]) -> int:
        first = self._first or {}
        # A zombie's time is rounded down to ticks.
        return sum(max(0, t.cpu_ns - (first[t.tid].cpu_ns if t.tid in first else 0)) for t in tasks)

    def _spins_again(self, tasks: tuple[Task, ...]) -> bool:
        """Whether all of who is known to spin either spins, each thread long enough, or waits for an event."""
        running = [task for task in tasks if task.sleep is Sleep.NONE and task.state != "Z"]
        return (
            self._server.habits.spins
            and bool(running)
            and all(task.sleep is not Sleep.TIMED for task in tasks)
            and all(self._cpu_since_start([task]) > _SPIN_EACH_NS_AGAIN for task in running)
        )

    def _timed_in_vain(self, tasks: tuple[Task, ...], now: float) -> bool:
        """Whether those that sleep for a time have woken several times, and the others not at all, since
        all that was under way has come."""
        living = {task.tid: task for task in tasks if task.state != "Z"}
        if not self._timed & living.keys():
            return False
        # Who has come or gone has done something.
        if self._same.keys() != living.keys() or self._server.may_hear():
            self._same, self._same_since = living, now
        if now - self._same_since < (_TIMED_SECONDS_AGAIN if self._server.habits.polls else _TIMED_SECONDS):
            return False
        wakes = _TIMED_WAKES_AGAIN if self._server.habits.judged else _TIMED_WAKES
        for task in living.values():
            ran = task.ran - self._same[task.tid].ran
            if task.tid in self._timed:
                if ran < wakes:
                    return False
            elif ran or task.sleep is not Sleep.ENDLESS:
                return False
        return True
