"""Plays a scenario with a server and our clients, for what is then drawn."""

import re
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from echolab import build, timeline
from echolab.client import Client
from echolab.grading import Target
from echolab.scenarios import Scenario
from echolab.server import Command, Server
from echolab.timeline import Timeline, chrome, svg
from echolab.verdict import Outcome
from echolab.witness import Unavailable, Witness, obstacle

FORMS = (".svg", ".html", ".json")
_MUCH = b"0123456789abcde\n" * (1 << 20)  # 16 MiB: more than the kernel keeps for both sides
_SMALL_BUFFERS = 64 * 1024


@dataclass
class Trace:
    """What was seen. In one line each, if need be: `trouble` says why it ends early, `note` why
    nothing was seen of the server."""

    timeline: Timeline
    trouble: str | None = None
    note: str | None = None


def trace(target: Target, scenario: Scenario) -> Trace:
    """Builds and starts the server, plays the scenario. Raises CompileError, GraderTrouble."""
    command = target.prepare()
    witness, why_not = _witness(command)
    options: dict[str, Any] = dict(scenario.options)
    server = Server(command, build.WARDEN, witness=witness, **options)
    try:
        outcome = server.start()
        trouble = None if outcome else f"the server does not listen: {outcome.observed}"
        trouble = trouble or _Stage(server).play(scenario)
        seen = timeline.of(server)
        if not seen.saw_the_server:
            why_not = why_not or "it makes none of the calls that are watched, or cleans its environment"
        return Trace(seen, trouble, why_not and f"only the clients are shown: {why_not}")
    finally:
        server.close()
        if witness:
            witness.close()


def _witness(command: Command) -> tuple[Witness | None, str | None]:
    """A witness for the program; without one, why there can be none."""
    if why_not := obstacle(command.words[0]):
        return None, why_not
    build.build(build.WITNESS)
    try:
        return Witness(build.WITNESS), None
    except Unavailable as error:
        return None, str(error)


def document(seen: Trace, form: str, target: Target, scenario: Scenario) -> str:
    """The picture as a file of the form ".svg", ".html" or ".json"."""
    title = f"Lesson {target.lesson.number}, {scenario.name}"
    if form == ".svg":
        return svg.write(seen.timeline, title=f"{title}: {scenario.shows}") + "\n"
    if form == ".json":
        return chrome.write(seen.timeline)
    from echolab.report import html  # here: Jinja2 is needed for nothing else

    about = f"{target.name}: {scenario.shows}"
    return html.write_trace(
        seen.timeline, title=title, about=about, trouble=seen.trouble, note=seen.note
    )


class _Stage:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._clients: dict[str, Client] = {}
        self._stopped = ExitStack()
        self._sent = 0

    def play(self, scenario: Scenario) -> str | None:
        """Plays all lines, or up to the first that does not come true; says which and why."""
        with self._stopped:
            for line in scenario.lines:
                who, _, what = line.partition(" ")
                outcome = self._act(who, what)
                if outcome is not None and not outcome:
                    name = who if who == "server" else f"client {who}"
                    return f"{name} {what}: {outcome.observed}"
        return None

    def _act(self, who: str, what: str) -> Outcome | None:
        verbs = _SERVER_VERBS if who == "server" else _CLIENT_VERBS
        for pattern, verb in verbs.items():
            if match := re.fullmatch(pattern, what):
                return verb(self, who, *match.groups())
        raise ValueError(f"no such act: {who} {what}")

    def _connect(self, who: str) -> Outcome:
        self._clients[who] = Client(self._server, buffers=_SMALL_BUFFERS)
        return self._clients[who].connects()

    def _fill(self, who: str) -> None:
        self._sent = self._clients[who].send_until_write_blocks(_MUCH)

    def _stop(self, _: str) -> None:
        self._stopped.enter_context(self._server.paused())

    def _go_on(self, _: str) -> None:
        self._stopped.close()

    def _has_zombies(self, _: str, count: str) -> Outcome:
        return self._server.until(lambda: len(self._server.zombies()) >= int(count), quiet=True)


_Verb = Callable[..., Outcome | None]
_CLIENT_VERBS: dict[str, _Verb] = {
    "connects": _Stage._connect,
    "sends until the server is stuck": _Stage._fill,
    "hears it all": lambda stage, who: stage._clients[who].gets(_MUCH[: stage._sent]),
    "hears the end": lambda stage, who: stage._clients[who].gets_end(),
    "says (.*)": lambda stage, who, text: stage._clients[who].echoes(text.encode()),
    "sends (.*)": lambda stage, who, text: stage._clients[who].send(text.encode()),
    "hears (.*)": lambda stage, who, text: stage._clients[who].gets(text.encode()),
    "half-closes": lambda stage, who: stage._clients[who].finish(),
    "leaves": lambda stage, who: stage._clients[who].leave(),
    "resets": lambda stage, who: stage._clients[who].reset(),
}
_SERVER_VERBS: dict[str, _Verb] = {
    "sleeps": lambda stage, _: Outcome(stage._server.settle(), stage._server.describe()),
    "is interrupted": lambda stage, _: stage._server.interrupt(stage._server.pid),
    "stops": _Stage._stop,
    "continues": _Stage._go_on,
    r"has zombies (\d+)": _Stage._has_zombies,
    r"gets (SIG\w+)": lambda stage, _, name: stage._server.signal(signal.Signals[name]),
    "ends": lambda stage, _: stage._server.until(stage._server.has_ended),
}
