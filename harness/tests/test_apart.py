"""Processes that make calls for us: they end, whatever befalls them."""

import os
import signal
import threading
from contextlib import suppress
from typing import Any

import pytest

from echolab.apart import Apart
from echolab.verdict import GraderTrouble


def test_a_call_gives_what_it_returns_or_raises() -> None:
    with Apart[str, int](int) as apart:
        for text in ("7", "seven"):
            apart.start(text, text)
        told: dict[str, Any] = {}
        while apart:
            told |= dict(apart.ended())
    assert told["7"] == 7 and isinstance(told["seven"], ValueError)


def test_who_is_killed_is_the_graders_trouble() -> None:
    with Apart[str, None](lambda: os.kill(os.getpid(), signal.SIGKILL)) as apart:
        apart.start("it")
        [(key, said)] = apart.ended()
    assert key == "it" and isinstance(said, GraderTrouble)


def test_a_process_ends_although_its_signal_came_where_exceptions_are_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a finalizer that runs between its look at the handler and its wait for the next call."""
    ask, us, asked = signal.getsignal, os.getpid(), []

    def swallows(number: int) -> Any:
        handler = ask(number)
        if os.getpid() != us:
            asked.append(number)
            if len(asked) == 2:
                with suppress(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGTERM)
        return handler

    monkeypatch.setattr(signal, "getsignal", swallows)
    apart = Apart[str, int](int)
    apart.start("1", "1")
    assert list(apart.ended()) == [("1", 1)]
    closing = threading.Thread(target=apart.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()
