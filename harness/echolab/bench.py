"""The models compared: every server measured in turn, again and again, by the load generator.

Where one client and the server take turns, both are on one processor: waking a second one costs more
than all the rest, above all in a virtual machine, and says nothing of the server. Where there are
many clients, the generator has a processor of its own. They are of one session: between sessions
the kernel divides a processor first (man 7 sched, "The autogroup feature"), and a switch costs more.
"""

import os
import platform
import resource
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import psutil

from echolab import build, load
from echolab.comparison import Comparison, Key, Row
from echolab.contenders import Contender
from echolab.course import Lesson
from echolab.load import Load, LoadFailed
from echolab.server import Server
from echolab.verdict import GraderTrouble


@dataclass(frozen=True)
class Settings:
    """How much is measured. Times are in seconds; of each figure there are `repeat` samples."""

    repeat: int = 5
    seconds: float = 0.4
    clients: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    size: int = 64  # bytes in a message
    large: int = 8 * 1024 * 1024  # bytes in a large one
    hold: float = 0.3  # how long the client holds on that another one comes beside

    @property
    def most(self) -> int:
        return max(self.clients)


DOCS = Settings(repeat=11)
QUICK = Settings(repeat=2, seconds=0.1, clients=(1, 8, 32), hold=0.1)

_AT_ONCE = 4  # who connect at a time: more than that overflow the queue of some servers (backlog 5)
_SCHEDULED_CLIENTS = 8
_SCHEDULED_RATE = 2000.0  # messages a second: what every server can do
_BESIDE_SLOW = 8
_PATIENCE = 5.0  # seconds without any answer after which a figure is given up


class Bench:
    """Measures `contenders`, which have to be built, as `settings` say.

    `comparison` grows while it runs, so that what was measured before Ctrl-C is kept.
    """

    def __init__(
        self,
        contenders: list[Contender],
        lessons: list[Lesson],
        settings: Settings,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.comparison = Comparison(
            settings=asdict(settings),
            machine=machine(),
            models={lesson.number: lesson.title for lesson in lessons},
            rows=[Row(found.name, found.model, found.ours, found.same_model) for found in contenders],
        )
        self._subjects = [
            _Subject(contender, row, settings)
            for contender, row in zip(contenders, self.comparison.rows, strict=True)
        ]
        self._settings, self._say = settings, say

    def run(self) -> None:
        """Measures everything. Raises GraderTrouble, KeyboardInterrupt."""
        _raise_descriptor_limit(2 * self._settings.most + 64)
        try:
            for repetition in range(self._settings.repeat):
                self._repeat(repetition)
            self.comparison.complete = True
        finally:
            for subject in self._subjects:
                subject.close()

    def _repeat(self, repetition: int) -> None:
        # One figure of all servers, then the next figure: what is compared is measured close
        # together. Who was first is last in the next repetition.
        subjects = self._subjects if repetition % 2 == 0 else self._subjects[::-1]
        floor = partial(self._floor, repetition)
        figures: list[tuple[str, Callable[[_Subject, Server], None]]] = [
            ("one client", partial(_one_client, repetition, floor))
        ]
        figures += [
            (f"{clients} clients", partial(_clients, repetition, clients))
            for clients in self._settings.clients
        ]
        figures += [
            ("a fixed schedule", partial(_schedule, repetition)),
            ("connections", partial(_connections, repetition)),
            ("memory", partial(_memory, repetition)),
            ("one client holds on", partial(_first_byte, repetition)),
            ("one client never reads", partial(_beside_slow, repetition)),
            ("large messages", partial(_transfer, repetition)),
        ]
        for name, measure in figures:
            for subject in subjects:
                self._say(f"{repetition + 1} of {self._settings.repeat}: {name}: {subject.row.name}")
                subject.attempt(name, measure)

    def _floor(self, repetition: int) -> float:
        """Round trips a second of the floor, now; the comparison keeps the last of a repetition."""
        floor = load.measure(
            floor=True,
            cpu=_processor(),
            floor_cpu=_processor(),
            size=self._settings.size,
            seconds=self._settings.seconds / 4,
            warm_up=0.01,
        )
        rate = float(floor["per_second"])
        self.comparison.floor.samples[repetition] = rate
        # Client and echo together use all of the processor, unless somebody else does.
        loss = max(0.0, 1 - floor["cpu_seconds"] / floor["seconds"])
        self.comparison.floor_loss.samples[repetition] = loss
        return rate


class _Subject:
    """A contender while it is measured: its server, running, and its row of figures."""

    def __init__(self, contender: Contender, row: Row, settings: Settings) -> None:
        self.contender, self.row, self.settings = contender, row, settings
        self._server: Server | None = None
        self._given_up: set[str] = set()
        self._found: dict[str, set[Key]] = {}  # the figures that each name has brought

    def attempt(self, name: str, measure: "Callable[[_Subject, Server], None]") -> None:
        """Measures a figure, unless that has failed before; then what it brought before does not count either.

        A server that failed is started anew.
        """
        if name in self._given_up:
            return
        known = self.row.figures.keys() - self._found.get(name, set())
        try:
            if not self._server:
                self._start()
            assert self._server
            measure(self, self._server)
            self._server.settle()
            self._found[name] = self.row.figures.keys() - known
        except LoadFailed as error:
            self._given_up.add(name)
            for key in self.row.figures.keys() - known:
                del self.row.figures[key]
            self.row.problems.append(f"{name}: {error}")
            self.close()

    def serves(self, clients: int) -> bool:
        """Whether so many are served at a time, as far as the model allows."""
        return self.contender.most is None or clients <= self.contender.most

    def _start(self) -> None:
        most = self.settings.most + _AT_ONCE
        self._server = Server(
            self.contender.command, build.WARDEN, same_session=True, slots=most, threads=most
        )
        if not (outcome := self._server.start()):
            self.close()
            raise LoadFailed(f"it does not listen: {outcome.observed}")

    def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None


# ---- The figures


def _one_client(repetition: int, floor: Callable[[], float], subject: _Subject, server: Server) -> None:
    """One client's round trips as a share of the floor's: all on one processor, both measured now."""
    _place(server, {_processor()})
    options = _options(subject, server) | {"cpu": _processor()}
    before = floor()
    measured = load.measure(clients=1, **options)
    rate = (before + floor()) / 2
    subject.row.add("floor_share", repetition, measured["per_second"] / rate)


def _clients(repetition: int, clients: int, subject: _Subject, server: Server) -> None:
    """Throughput and latency with some clients, each sending again when its answer has come."""
    if not subject.serves(clients):
        return
    _place(server, _others())
    with Load(clients=clients, **_options(subject, server)) as load_:
        before, used = _runs(server), server.cpu_ns()
        measured = load_.run()
        runs, used = _runs(server) - before, server.cpu_ns() - used
    add = partial(subject.row.add, repetition=repetition, clients=clients)
    add("round_trips", value=measured["per_second"])
    for quantile in ("p50", "p99", "p99.9"):
        add(f"latency_{quantile}", value=measured["latency_ns"][quantile])
    # The server's are of the warm-up too.
    trips = measured["round_trips"] * (1 + _warm_up(subject.settings) / measured["seconds"])
    add("switches", value=runs / trips)
    add("processor", value=used / trips)
    own, user = (measured[name] * 1e9 / measured["round_trips"] for name in ("cpu_seconds", "user_seconds"))
    add("generator_share", value=own / (own + used / trips))
    add("generator_code", value=user / (own + used / trips))


def _schedule(repetition: int, subject: _Subject, server: Server) -> None:
    """Latency from the time when each message was due, whether or not answers come."""
    clients = _SCHEDULED_CLIENTS if subject.serves(_SCHEDULED_CLIENTS) else 1
    _place(server, _others())
    measured = load.measure(clients=clients, rate=_SCHEDULED_RATE, **_options(subject, server))
    for quantile in ("p50", "p99", "p99.9"):
        subject.row.add(f"scheduled_{quantile}", repetition, measured["latency_ns"][quantile])


def _connections(repetition: int, subject: _Subject, server: Server) -> None:
    """Clients that come, send a message, get it back and leave."""
    _place(server, _others())
    measured = load.measure(clients=_AT_ONCE, connect=True, **_options(subject, server))
    subject.row.add("connections", repetition, measured["per_second"])


def _memory(repetition: int, subject: _Subject, server: Server) -> None:
    """What a client costs that has been served once, and now is silent."""
    clients = subject.contender.most or subject.settings.most
    base = _pss(server)
    with Load(clients=0, idle=clients, port=server.port):
        server.settle()
        full = _pss(server)
    subject.row.add("base_memory", repetition, base)
    subject.row.add("memory", repetition, max(0, full - base) / clients)


def _first_byte(repetition: int, subject: _Subject, server: Server) -> None:
    """How long a client waits for its first byte that comes while another one holds on."""
    _place(server, _others())
    measured = load.measure(
        clients=1, idle=1, connect=True, rounds=1, size=1, hold=subject.settings.hold,
        warm_up=0.0, seconds=60.0, cpu=_generator(), port=server.port,
    )  # fmt: skip
    subject.row.add("first_byte", repetition, measured["latency_ns"]["max"])


def _beside_slow(repetition: int, subject: _Subject, server: Server) -> None:
    """What is left to others while one client sends all the time and never reads."""
    if not subject.serves(_BESIDE_SLOW + 1):
        return
    _place(server, _others())
    options = _options(subject, server)
    alone = load.measure(clients=_BESIDE_SLOW, **options)
    beside = load.measure(clients=_BESIDE_SLOW, slow=1, **options)
    subject.row.add("beside_slow", repetition, beside["per_second"] / alone["per_second"])


def _transfer(repetition: int, subject: _Subject, server: Server) -> None:
    """Large messages of one client, which sends and reads at the same time."""
    _place(server, _others())
    options = _options(subject, server) | {"size": subject.settings.large}
    measured = load.measure(clients=1, **options)
    subject.row.add("transfer", repetition, measured["bytes"] / measured["seconds"])


def _options(subject: _Subject, server: Server) -> dict[str, Any]:
    settings = subject.settings
    return {
        "port": server.port,
        "cpu": _generator(),
        "size": settings.size,
        "seconds": settings.seconds,
        "warm_up": _warm_up(settings),
        "patience": _PATIENCE,
    }


def _warm_up(settings: Settings) -> float:
    return settings.seconds / 8


# ---- The machine


def _generator() -> int:
    """The processor of the generator when there are many clients."""
    return min(os.sched_getaffinity(0))


def _others() -> set[int]:
    """The processors of the servers then: all but the generator's, if there is more than one."""
    return os.sched_getaffinity(0) - {_generator()} or {_generator()}


def _processor() -> int:
    """The one that generator and server share when they take turns."""
    return max(os.sched_getaffinity(0))


def _place(server: Server, processors: set[int]) -> None:
    """All that the server is made of runs on `processors`, and what it starts from now on."""
    for task in server.tasks():
        try:
            os.sched_setaffinity(task.tid, processors)
        except ProcessLookupError:
            continue


def _runs(server: Server) -> int:
    """How often the server's threads were given a processor."""
    return sum(task.ran for task in server.tasks())


def _pss(server: Server) -> int:
    """The memory of all its processes in bytes; what they share counts once (man 5 proc, smaps)."""
    total = 0
    for process in server.processes():
        try:
            total += psutil.Process(process.pid).memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def _raise_descriptor_limit(needed: int) -> None:
    """What we start inherits the limit. Raises GraderTrouble if it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise GraderTrouble(
            f"servers and clients need {needed:,} descriptors, and the limit is {hard:,}: raise it "
            f"with 'ulimit -n {needed}' as root, or for good in /etc/security/limits.conf (nofile)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def machine() -> dict[str, object]:
    """What this is run on, as figures are told with it."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
    }
