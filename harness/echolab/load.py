"""The load generator (harness/load) as an object: many clients of one server, and how they fared."""

import json
import subprocess
from types import TracebackType
from typing import Any

from echolab.build import DIRECTORY
from echolab.verdict import GraderTrouble

BINARY = DIRECTORY / "harness" / "load" / "load"


class LoadFailed(Exception):
    """The server died, answered wrongly or not at all; the text is one line that says which."""


class Load:
    """The clients of one server. They are connected, and served once, when it is entered, they are
    measured by run(), and leave at the end of the block.

    `options` are those of `load --help`, without the dashes. Raises LoadFailed, and GraderTrouble if
    the generator itself cannot work (too few descriptors, no local ports).
    """

    def __init__(self, **options: object) -> None:
        self._words = [str(BINARY), "--json", "--wait"]
        for name, value in options.items():
            option = "--" + name.replace("_", "-")
            if value is True:
                self._words.append(option)
            elif value is not False and value is not None:
                self._words += [option, f"{value:.6f}" if isinstance(value, float) else str(value)]

    def __enter__(self) -> "Load":
        try:
            # A process group of its own: Ctrl-C is for us, and we end it.
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
            )
        except OSError as error:
            raise GraderTrouble(f"cannot start {BINARY}: {error.strerror}") from error
        try:
            if self._read() != "ready":
                self._fail()
        except BaseException:
            self.close()
            raise
        return self

    def run(self) -> dict[str, Any]:
        """Measures: what the generator says in JSON (harness/load/result.cpp)."""
        assert self._process.stdin
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()
        measured = json.loads(self._read() or "{}")
        if measured.get("ending") != "complete":
            self._fail()
        return dict(measured)

    def _read(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")

    def _fail(self) -> None:
        _, said = self._process.communicate()
        text = said.strip().removeprefix("load: ") or f"load ended with {self._process.returncode}"
        if self._process.returncode == 1:
            raise LoadFailed(text)
        raise GraderTrouble(text)

    def close(self) -> None:
        """Ends all clients, and returns when the generator is gone."""
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        # It ends when its stdin does, unless it is still measuring.
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def measure(**options: object) -> dict[str, Any]:
    """One measurement, without a look at the server in between. Raises as Load does."""
    with Load(**options) as clients:
        return clients.run()
