"""How long the grader waits for a server, with a clock and a server that are made up."""

import time
from types import SimpleNamespace

import pytest

from echolab.procfs import Sleep
from echolab.server import _Patience


def test_the_time_in_which_the_machine_stood_still_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SimpleNamespace(tid=1, state="R", sleep=Sleep.NONE, cpu_ns=0, ran=0)
    server = SimpleNamespace(
        halted=0,
        exit_code=None,
        habits=SimpleNamespace(spins=False, polls=False),
        clients=[],
        tasks=lambda: [task],
        describe=lambda: "it runs",
    )
    clock = iter([0.0, 0.01, 0.02, 3600.0, 3600.01, 3600.02])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    patience = _Patience(server, False, False)  # type: ignore[arg-type]
    assert [patience.ended() for _ in range(5)] == [None] * 5
