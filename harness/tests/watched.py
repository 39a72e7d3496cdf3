"""No verdict differs when the witness is in the server: python3 harness/tests/watched.py [PATTERN]

Grades every server whose verdict is known, right ones and wrong ones, with a witness in it from its
start in each check, and not only to explain a failure. What fails, and what is blocked, has to be what
the server's header says of it; checks that need a sanitizer are left out, and so is a server into which
nothing can be preloaded.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import conftest  # noqa: F401 (finds the package)
import pytest

from echolab import build
from echolab.course import Step
from echolab.grading import NEED_SANITIZER, Grading, Target, run_checks
from echolab.known import Known, catalogue
from echolab.report import Report, Status
from echolab.server import Server
from echolab.verdict import GraderTrouble
from echolab.witness import Witness, obstacle


class Watching:
    """Stands where a grading has its explanation, and as a pytest plugin beside it: each check's
    servers have a witness."""

    def __init__(self) -> None:
        self._witnesses: list[Witness] = []
        self.seen = 0  # events

    def observe(
        self, start: Callable[[Witness | None], Server], program: Path | None = None
    ) -> Server:
        if program and obstacle(str(program)):
            return start(None)
        self._witnesses.append(Witness(build.WITNESS))
        return start(self._witnesses[-1])

    def pytest_runtest_logfinish(self) -> None:
        for witness in self._witnesses:
            self.seen += witness.written
            witness.close()
        self._witnesses.clear()


def grade_watched(target: Target, only: Step | None = None) -> tuple[Report, int]:
    """The report, and how many events the witnesses have seen. Raises GraderTrouble."""
    watching = Watching()
    plugin = Grading(target, target.prepare(), only, explanation=watching)  # type: ignore[arg-type]
    code = run_checks(plugin, [], watching)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GraderTrouble(f"pytest could not run the checks of lesson {target.lesson.number} ({code!r})")
    return plugin.report(0.0), watching.seen


def difference(server: Known, report: Report) -> str:
    """How the verdicts are other than known; "" if they are not."""
    found = {status: {check.id for check in report.having(status)} for status in Status}
    if found[Status.ERROR]:
        return f"the grader's trouble: {next(iter(report.having(Status.ERROR))).observed}"
    if server.is_wrong:
        known = {id for id in server.checks("fails") if id.split(".")[-1] not in NEED_SANITIZER}
        failed = found[Status.FAIL] - server.checks("perhaps")
        return ", ".join(sorted(failed ^ known))
    return ", ".join(sorted(found[Status.FAIL] | (found[Status.BLOCKED] ^ server.checks("blocked"))))


def main(pattern: str = "") -> int:
    servers = [server for server in catalogue() if re.search(pattern, server.id)]
    binaries = {server.binary for server in servers if server.binary}
    build.build(build.WARDEN, build.WITNESS, *binaries)
    same = tried = 0
    for server in servers:
        command = server.target.command
        assert command
        if why := obstacle(command.words[0]):
            print(f"left out   {server.id}: {why}", flush=True)
            continue
        report, seen = grade_watched(Target(server.lesson, command=command))
        differs = difference(server, report)
        tried += 1
        same += not differs
        print(f"{'differs' if differs else 'the same'}  {server.id}: {differs or f'{seen:,} events'}", flush=True)
    print(f"the verdict is the same for {same} of {tried} servers with a witness in them")
    return 0 if same == tried else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
