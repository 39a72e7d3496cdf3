"""What every check can ask for: a server, clients; and pytest's own options for the grader.

    pytest harness/checks --lesson 1 --server './server {port}'
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKS = Path(__file__).resolve().parent
sys.path[:0] = [str(CHECKS), str(CHECKS.parent)]

from echolab import build, course  # noqa: E402
from echolab.client import Client  # noqa: E402
from echolab.grading import Grading, Target  # noqa: E402
from echolab.server import Command, CommandError, Server  # noqa: E402
from echolab.verdict import Blocked, expect  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("echolab")
    group.addoption("--lesson", default="1", help="the lesson, or LESSON.STEP, to grade")
    group.addoption("--solutions", action="store_true", help="grade the reference solution")
    group.addoption("--server", metavar="CMD", help="grade this program; {port} is filled in")
    group.addoption("--port", type=int, help="the port that CMD always uses")


def pytest_configure(config: pytest.Config) -> None:
    if _grading(config):
        return
    try:
        lesson, step = course.find(config.getoption("--lesson"))
        text = config.getoption("--server")
        command = Command.parse(text, config.getoption("--port")) if text else None
        target = Target(lesson, config.getoption("--solutions"), command)
        config.pluginmanager.register(Grading(target, target.prepare(), step))
    except (course.UnknownLesson, CommandError, build.CompileError) as error:
        raise pytest.UsageError(str(error)) from error


def _grading(config: pytest.Config) -> Grading | None:
    found = (p for p in config.pluginmanager.get_plugins() if isinstance(p, Grading))
    return next(found, None)


@pytest.fixture
def new_server(pytestconfig: pytest.Config) -> Iterator[Callable[..., Server]]:
    """Makes servers that are not started yet; each is ended with the check."""
    grading = _grading(pytestconfig)
    assert grading
    servers: list[Server] = []

    def make(**options: Any) -> Server:
        servers.append(grading.make_server(**options))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def sanitized_server(pytestconfig: pytest.Config) -> Iterator[Callable[[str], Server]]:
    """Makes a server that was built with "tsan" or "asan", not started yet."""
    grading = _grading(pytestconfig)
    assert grading
    if grading.never_listens:
        raise Blocked("the server does not listen")
    servers: list[Server] = []

    def make(sanitizer: str) -> Server:
        servers.append(grading.make_sanitized_server(sanitizer, slots=16))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def source(pytestconfig: pytest.Config) -> Path:
    """The file that is graded."""
    grading = _grading(pytestconfig)
    assert grading
    return grading.target.lesson.source(grading.target.solutions)


@pytest.fixture
def server(new_server: Callable[..., Server], pytestconfig: pytest.Config) -> Server:
    """A server that listens. One that did not is not tried again and again."""
    grading, server = _grading(pytestconfig), new_server()
    assert grading
    if grading.never_listens or not server.start():
        grading.never_listens = True
        raise Blocked("the server does not listen")
    return server


@pytest.fixture
def connect(server: Server) -> Callable[..., Client]:
    """Connects one more client."""

    def connected(**options: int) -> Client:
        client = Client(server, **options)
        expect(client.connects(), "a client can connect", "nobody listens any more")
        return client

    return connected


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    """One connected client."""
    return connect()
