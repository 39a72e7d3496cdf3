"""How long the grader waits for a server, with a clock and a server that are made up."""

import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from echolab import grading
from echolab.procfs import Sleep, Task
from echolab.server import Command, Habits, Server, _Patience
from echolab.sockets import Connection, Socket
from echolab.storm import _Crowd
from echolab.verdict import GraderTrouble


def task(tid: int, state: str, sleep: Sleep, ran: int, cpu_ms: int = 0) -> Any:
    return SimpleNamespace(tid=tid, state=state, sleep=sleep, cpu_ns=cpu_ms * 1_000_000, ran=ran)


def looks(
    monkeypatch: pytest.MonkeyPatch, *seen: tuple[float, list[Any]], habits: Habits | None = None
) -> list[str | None]:
    """What _Patience says at each of these moments, in seconds, of the threads that there are then."""
    now = [0.0]
    tasks: list[Any] = []
    server = SimpleNamespace(
        halted=0,
        exit_code=None,
        habits=habits or Habits(),
        may_hear=lambda: False,
        tasks=lambda: tasks,
        describe=lambda: "given up",
    )
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    patience = _Patience(server, False, False)  # type: ignore[arg-type]
    said = []
    for now[0], tasks in seen:
        said.append(patience.ended())
    return said


def test_the_time_in_which_the_machine_stood_still_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    running = [task(1, "R", Sleep.NONE, 0)]
    moments = [(at, running) for at in (0.01, 0.02, 3600.0, 3600.01, 3600.02)]
    assert looks(monkeypatch, *moments) == [None] * 5


def test_who_wakes_by_the_clock_alone_is_given_up_but_not_while_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = task(2, "S", Sleep.ENDLESS, 1)
    by_the_clock = [task(1, "S", Sleep.TIMED, ran) for ran in (0, 5, 10)]
    assert looks(
        monkeypatch,
        (0.0, [by_the_clock[0], writer]),
        (0.6, [by_the_clock[1]]),
        (1.0, [by_the_clock[1]]),
        (1.2, [by_the_clock[2]]),
    ) == [None, None, None, "given up"]


def test_zombies_do_not_keep_who_wakes_by_the_clock_from_being_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    child, zombie = task(2, "S", Sleep.ENDLESS, 3), task(2, "Z", Sleep.NONE, 0)
    by_the_clock = [task(1, "S", Sleep.TIMED, ran) for ran in (0, 5, 10)]
    assert looks(
        monkeypatch,
        (0.0, [by_the_clock[0], child]),
        (0.6, [by_the_clock[1], zombie]),
        (1.2, [by_the_clock[2], zombie]),
    ) == [None, None, "given up"]


def test_who_is_only_to_be_explained_is_given_up_when_it_has_woken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [(at, [task(1, "S", Sleep.TIMED, ran)]) for at, ran in ((0.0, 0), (0.5, 1), (1.0, 2))]
    assert looks(monkeypatch, *moments) == [None] * 3
    assert looks(monkeypatch, *moments, habits=Habits(judged=True)) == [None, None, "given up"]


@pytest.mark.parametrize(
    ("spins", "used", "other", "given_up"),
    [
        (True, (31, 31), "S", True),
        (True, (31, 29), "S", False),  # one of them has not had the time to do what is waited for
        (True, (31, 31), "timed", False),  # it may do so when it wakes
        (True, (31, 31), "Z", True),
        (False, (31, 31), "S", False),  # it was never seen to spin
    ],
)
def test_who_is_known_to_spin_is_given_up_when_each_of_its_threads_has_had_its_time(
    monkeypatch: pytest.MonkeyPatch, spins: bool, used: tuple[int, int], other: str, given_up: bool
) -> None:
    sleep = {"S": Sleep.ENDLESS, "timed": Sleep.TIMED, "Z": Sleep.NONE}[other]
    sleeper = task(3, other[0].upper().replace("T", "S"), sleep, 1)
    moments = [
        (at, [task(1, "R", Sleep.NONE, 1, first), task(2, "R", Sleep.NONE, 1, second), sleeper])
        for at, first, second in ((0.0, 0, 0), (0.05, *used))
    ]
    said = looks(monkeypatch, *moments, habits=Habits(spins=spins))
    assert [bool(text) for text in said] == [False, given_up]


def test_what_is_heard_at_the_last_moment_does_not_keep_a_server_from_settling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked_at_the_end = False

    def may_hear() -> bool:  # TCP's last acknowledgement comes just before _Patience looks
        nonlocal asked_at_the_end
        asked_at_the_end |= sys._getframe(1).f_code is _Patience.ended.__code__
        return not asked_at_the_end

    server = Server(Command(("server",)), Path("warden"))
    monkeypatch.setattr(server, "may_hear", may_hear)
    monkeypatch.setattr(server, "tasks", lambda: [Task(1, 1, "S", "accept4", (3,), 1, 0)])
    assert server.settle() and asked_at_the_end


def test_a_check_is_given_up_after_so_many_seconds_in_which_we_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "_LONGEST_CHECK", 3)
    monkeypatch.setattr(grading, "slowness", lambda: 1.0)
    running = grading.Grading.pytest_runtest_call(Mock())
    next(running)
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 1
    for _ in range(2):  # a signal that comes often while we are stopped comes once
        signal.raise_signal(signal.SIGALRM)
    with pytest.raises(GraderTrouble, match="did not end within 3 s"):
        signal.raise_signal(signal.SIGALRM)
    assert next(running, None) is None and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize(
    ("there", "here", "waiting", "may"),
    [
        (("ESTABLISHED", 0, 0), ("ESTABLISHED", 0, 0), 0, False),
        (("ESTABLISHED", 0, 0), ("ESTABLISHED", 9, 0), 0, True),
        (("ESTABLISHED", 0, 5), ("ESTABLISHED", 9, 0), 0, False),  # nobody on the server's side reads
        (("ESTABLISHED", 9, 5), ("ESTABLISHED", 9, 0), 0, True),  # what the server sends comes to us
        (("ESTABLISHED", 9, 5), ("ESTABLISHED", 9, 5), 0, False),
        (("ESTABLISHED", 0, 0), ("FIN_WAIT1", 1, 0), 0, True),
        (("CLOSE_WAIT", 0, 1), ("FIN_WAIT1", 1, 0), 0, False),  # it has come; that is acknowledged later
        (("SYN_RECV", 0, 0), ("ESTABLISHED", 0, 0), 0, True),
        (("SYN_RECV", 0, 0), ("ESTABLISHED", 0, 0), 3, True),
        (("SYN_RECV", 0, 0), ("ESTABLISHED", 0, 0), 9, False),  # nobody accepts, and there is no room
    ],
)
def test_what_waits_for_a_reader_does_not_arrive(
    there: tuple[str, int, int], here: tuple[str, int, int], waiting: int, may: bool
) -> None:
    server, client = (Socket("127.0.0.1", 1, *end, 7) for end in (there, here))
    assert Connection(server, client).may_arrive(Socket("127.0.0.1", 1, "LISTEN", 8, waiting, 7)) is may


@pytest.mark.parametrize(
    ("there", "here", "over"),
    [
        (None, None, True),
        (("ESTABLISHED", 0, 0, 7), ("ESTABLISHED", 0, 0, 7), False),
        (("ESTABLISHED", 0, 0, 7), ("FIN_WAIT1", 1, 0, 0), False),  # the end of file is under way
        (("CLOSE_WAIT", 0, 1, 7), ("FIN_WAIT2", 0, 0, 0), True),
        (("CLOSE_WAIT", 0, 1, 7), ("FIN_WAIT2", 0, 0, 7), False),  # a half-close: it still reads
        (("ESTABLISHED", 5, 0, 7), None, False),  # what comes will be answered with a reset
    ],
)
def test_a_connection_is_over_when_nothing_comes_to_the_server_any_more(
    there: tuple[str, int, int, int] | None, here: tuple[str, int, int, int] | None, over: bool
) -> None:
    server, client = (end and Socket("127.0.0.1", 1, *end) for end in (there, here))
    assert Connection(server, client).is_over is over


def test_a_client_of_a_storm_that_is_cut_off_before_it_has_sent_is_the_servers_doing() -> None:
    crowd = _Crowd(SimpleNamespace(host="127.0.0.1", port=1), 1)  # type: ignore[arg-type]
    crowd.waiting[0] = Mock(recv=Mock(side_effect=BlockingIOError), send=Mock(side_effect=ConnectionResetError(104, "reset")))
    crowd._step(0)
    crowd.close()
    assert crowd.broken == "cut off (reset)"
