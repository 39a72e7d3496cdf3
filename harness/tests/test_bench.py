"""`lab bench` and the load generator as their users run them: bad servers, limits, Ctrl-C, files."""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from conftest import HARNESS, Lab

from echolab import bench, build, contenders, course, load
from echolab.comparison import Comparison, Figure, Key, Row
from echolab.report import figures
from echolab.server import Command, Server

WRONG = """
import socket, sys
how = sys.argv[1]
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
client, answers = listener.accept()[0], 0
while data := client.recv(65536):
    answers += 1
    if how == "dies" and answers == 50:
        sys.exit(1)
    if how == "corrupts" and answers == 50:
        data = data[:-1] + bytes([data[-1] ^ 1])
    if how != "never":
        client.sendall(data)
"""


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    epoll = build.DIRECTORY / "harness" / "styles" / "1-single-process" / "serves_many_with_epoll"
    build.build(build.WARDEN, load.BINARY, epoll, build.server(course.find("1")[0], True))


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Of a running server: the command is the fixture's parameter."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))  # the server inherits it
    server = Server(Command.parse(request.param), build.WARDEN)
    assert server.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    yield server.port
    server.close()


def wrong(how: str) -> str:
    return shlex.join([sys.executable, "-c", WRONG, how, "{port}"])


EPOLL = str(build.DIRECTORY / "harness/styles/1-single-process/serves_many_with_epoll") + " {port}"


def run_load(port: int, *options: str, **popen: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(load.BINARY), "--port", str(port), *options],
        capture_output=True, text=True, timeout=120, check=False, **popen,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("port", "said"),
    [
        (wrong("dies"), "client 0 was cut off after"),
        (wrong("corrupts"), "wrong byte: byte 3199 was sent as"),
        (wrong("never"), "no answer for 0.2 s, and 1 of 1 clients wait for one"),
    ],
    indirect=["port"],
    ids=["dies", "corrupts", "never answers"],
)
def test_a_bad_server_is_one_line_and_status_1(port: int, said: str) -> None:
    done = run_load(port, "--json", "--warm-up", "0", "--patience", "0.2")
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["ending"] == "server failed"


@pytest.mark.parametrize("port", [EPOLL], indirect=True)
def test_ten_thousand_connections_are_held(port: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 10_100:
        pytest.skip("the limit of descriptors is too low here")
    done = run_load(port, "--json", "--idle", "9999", "--seconds", "0.1", "--patience", "60")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["idle"] == 9999


@pytest.mark.parametrize("port", [EPOLL], indirect=True)
def test_too_few_descriptors_are_said_with_the_remedy(port: int) -> None:
    limit = (100, 100)
    done = run_load(
        port, "--idle", "200", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    )
    assert done.returncode == 3
    assert "201 clients need 217 descriptors, and the limit is 100" in done.stderr
    assert "ulimit -n 217" in done.stderr


@pytest.mark.parametrize("port", [EPOLL], indirect=True)
@pytest.mark.parametrize("clients", [1, 2])
def test_ctrl_c_keeps_what_was_measured(port: int, clients: int) -> None:
    words = [str(load.BINARY), "--port", str(port), "--clients", str(clients), "--json", "--wait"]
    with subprocess.Popen(
        [*words, "--seconds", "600", "--warm-up", "0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout and process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        used = Path(f"/proc/{process.pid}/schedstat")
        start = int(used.read_text().split()[0])
        while int(used.read_text().split()[0]) - start < 20_000_000:  # it has measured something
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=60)
    measured = json.loads(said)
    assert process.returncode == 130 and error == "load: stopped\n"
    assert measured["ending"] == "interrupted" and measured["round_trips"] > 0


def test_one_client_is_measured_as_a_share_of_the_floor_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    floors = iter([100.0, 300.0])
    monkeypatch.setattr(bench, "_place", lambda server, processors: None)
    monkeypatch.setattr(load, "measure", lambda **options: {"per_second": 190.0})
    subject = SimpleNamespace(row=Row("one", 1, True), settings=bench.QUICK)
    bench._one_client(0, lambda: next(floors), subject, SimpleNamespace(port=1))  # type: ignore[arg-type]
    (share,) = subject.row.figures.values()
    assert share.samples == {0: 0.95}


def test_the_kernel_does_not_divide_the_processor_between_sessions() -> None:
    sessions = set()

    def look(_: bench._Subject, server: Server) -> None:
        with load.Load(clients=1, port=server.port) as clients:
            sessions.update({os.getsid(server.pid), os.getsid(clients._process.pid)})

    contender = contenders.ours(course.find("1")[0], True)
    subject = bench._Subject(contender, Row("one", 1, True), bench.QUICK)
    subject.attempt("a look", look)
    subject.close()
    assert sessions == {os.getsid(0)} and not subject.row.problems


def test_a_figure_that_failed_once_is_not_measured_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(subject: bench._Subject, server: Server) -> None:
        if turn == 2:
            raise load.LoadFailed("cut off")
        subject.row.add("connections", turn, 100.0)

    row = Row("other", 1, False)
    subject = bench._Subject(contenders.Contender("other", 1, Command(())), row, bench.QUICK)
    monkeypatch.setattr(subject, "_start", lambda: setattr(subject, "_server", MagicMock()))
    subject.attempt("memory", lambda subject, server: subject.row.add("memory", 0, 1.0))
    for turn in range(4):
        subject.attempt("connections", measure)
    assert set(row.figures) == {Key("memory")} and row.problems == ["connections: cut off"]


def test_bench_writes_what_the_schema_says(lab: Lab, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    done = lab("bench", "1", "--quick", "--repeat", "1", "--no-peers", "--json", "-")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    schema = HARNESS / "echolab" / "report" / "bench.schema.json"
    jsonschema.validate(data, json.loads(schema.read_text(encoding="utf-8")))
    assert data["complete"] and data["floor"]["median"] > 0
    (server,) = data["servers"]
    assert not server["problems"]
    measured = {figure["figure"]: figure["median"] for figure in server["figures"]}
    assert measured["floor_share"] > 0
    assert "lab bench: 1 of 1\n" in done.stderr  # where no terminal shows how far it is
    assert measured["first_byte"] >= data["settings"]["hold"] * 1e9 * 0.9  # it waits its turn


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["9"], "there is no lesson '9'"),
        (["1.2"], "bench measures whole lessons"),
        (["--server", "cat {port}"], "--server needs the lesson"),
        (["1", "--port", "80"], "--port goes with --server"),
    ],
)
def test_wrong_usage_is_status_2(lab: Lab, arguments: list[str], said: str) -> None:
    done = lab("bench", *arguments)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def compared(ours: list[float], peer: list[float]) -> Comparison:
    comparison = Comparison({}, {"processor": "?", "processors": 2}, {1: "single process"})
    for name, own, values in [("lesson 1", True, ours), ("other", False, peer)]:
        comparison.rows.append(Row(name, 1, own))
        for repetition, value in enumerate(values):
            comparison.rows[-1].add("round_trips", repetition, value, 1)
    return comparison


@pytest.mark.parametrize(
    ("ours", "word"), [([120.0, 121, 119], "ahead"), ([80.0, 81, 79], "behind"), ([99.0, 130, 80], "level")]
)
def test_who_is_ahead_is_said_where_the_range_allows_it(ours: list[float], word: str) -> None:
    (standing,) = compared(ours, [100.0, 100, 100]).standings()
    assert standing.word == word and standing.key == Key("round_trips", 1)


@pytest.mark.parametrize(("number", "left_out"), [(1, 0), (5, 0), (7, 0), (8, 1), (11, 2), (17, 4)])
def test_the_range_of_a_ratio_is_that_of_the_sign_test(number: int, left_out: int) -> None:
    """The tables of its critical values, two-sided, at a level of 0.1 (Conover, Practical Nonparametric Statistics)."""
    (standing,) = compared([100.0 + n for n in range(number)], [100.0] * number).standings()
    assert standing.low == pytest.approx(1 + left_out / 100)
    assert standing.high == pytest.approx(1 + (number - 1 - left_out) / 100)


def test_a_peer_of_another_model_is_compared_by_itself() -> None:
    comparison = compared([100.0], [80.0])
    comparison.rows.append(Row("another", 1, False, same_model=False))
    comparison.rows[-1].add("round_trips", 0, 200.0, 1)
    assert [(found.peer, found.word) for found in comparison.standings()] == [("other", "ahead"), ("another", "behind")]


def test_peers_that_were_installed_later_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(contenders.build, "configure", asked.append)
    monkeypatch.setattr(contenders.shutil, "which", lambda name: name)
    contenders._targets()
    assert asked == ["asio_echo", "go_echo"]


def test_what_the_generator_costs_is_said_where_it_is_fastest() -> None:
    comparison = compared([100.0], [200.0])
    for row, share in zip(comparison.rows, (0.2, 0.4), strict=True):
        row.add("generator_share", 0, share, 1)
        row.add("generator_code", 0, share / 4, 1)
    said = "the load generator at its highest rate, 200 a second: 40% of the processor time that it and the server used, 10% in its own code"
    assert any(line.startswith(said) for line in figures.remarks(comparison))


def test_a_noisy_floor_is_said() -> None:
    comparison = compared([100.0], [100.0])
    comparison.floor.samples = {0: 100.0, 1: 150.0}
    comparison.floor_loss.samples = {0: 0.0, 1: 0.0}
    said = "too noisy to trust: the floor itself varied so much that it is known to ±20% only"
    assert any(line.startswith(said) for line in figures.remarks(comparison))


def test_a_figure_is_known_better_the_more_often_it_was_measured() -> None:
    once = [80.0, 120, 95, 105, 100]
    assert (spread := Figure(dict(enumerate(once))).spread) == pytest.approx(0.4)
    assert Figure(dict(enumerate(once * 4))).spread < spread / 2


def test_plots_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from echolab.report import plots

    files = plots.write(compared([100.0, 90], [100.0, 110]), tmp_path)
    assert {path.suffix for path in files} == {".png", ".svg"}
    assert all(path.stat().st_size > 1000 for path in files)
