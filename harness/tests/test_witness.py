"""The witness: what it sees of a server, what it survives, and what it can do to one."""

from collections.abc import Callable, Iterator

import pytest

from conftest import build, course
from echolab.client import Client
from echolab.grading import own_command
from echolab.server import Command, Server
from echolab.witness import Kind, Places, Witness

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
