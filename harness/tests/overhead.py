"""What the witness costs a server, beside strace: python3 harness/tests/overhead.py [ROUNDS]

One client sends a message to lesson 1's solution and waits until it is back, again and again: without
anything, with the witness, and with strace of the calls that the witness sees. In each round the three
are measured in turn, in another order than before; what is compared was measured in the same round.
Said of each figure: the median of the rounds and, in brackets, their middle half.

All share one processor and take turns, so that what a round trip takes is the processor time of the
client, the server and strace together; by that it is judged, for other work on the machine lengthens
the time that passes, and not this one. Both are said.

Exit status: 0 if the witness costs at most 5 % of a round trip and strace at least 20 times as much.
"""

import argparse
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import conftest  # noqa: F401 (finds the package)

from echolab import build, course, load
from echolab.contenders import ours
from echolab.server import Command, Server
from echolab.verdict import GraderTrouble
from echolab.witness import CALLS, Witness

ROUNDS = 150
SECONDS = 0.03  # of each measurement: so short that all of a round find the machine in the same state
MOST_PERCENT, LEAST_RATIO = 5.0, 20.0
_WAYS = ("without anything", "with the witness", "with strace")


@contextmanager
def running(way: str) -> Iterator[Server]:
    """The server, listening."""
    command, witness = ours(course.lessons()[0], True).command, None
    if way == "with strace":
        # "?": calls that this architecture or this strace does not have are passed over.
        calls = ",".join(f"?{name}" for name in CALLS)
        words = ("strace", "-f", "-qq", "-e", f"trace={calls}", "-o", "/dev/null", *command.words)
        command = Command(words)
    elif way == "with the witness":
        witness = Witness(build.WITNESS)
    server = Server(command, build.WARDEN, witness=witness)
    try:
        if not (outcome := server.start()):
            raise GraderTrouble(f"{way} the server does not listen: {outcome.observed}")
        yield server
    finally:
        server.close()
        if witness:
            witness.close()


@dataclass(frozen=True)
class Trip:
    """A round trip, the mean over SECONDS, in microseconds: what passes, and what is worked."""

    passed: float
    worked: float


def round_trip(server: Server) -> Trip:
    with load.Load(port=server.port, clients=1, size=64, seconds=SECONDS, warm_up=0.0) as clients:
        before = server.cpu_ns()
        measured = clients.run()
        used = (server.cpu_ns() - before) / 1e9 + measured["cpu_seconds"]
    return Trip(1e6 / float(measured["per_second"]), 1e6 * used / measured["round_trips"])


def spread(values: list[float], form: str = ".2f") -> str:
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:{form}} ({low:{form}} … {high:{form}})"


def main(rounds: int) -> int:
    if not shutil.which("strace"):
        raise GraderTrouble("strace is not installed: apt-get install strace")
    build.build(build.WARDEN, build.WITNESS, load.BINARY, build.server(course.lessons()[0], True))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # what we start inherits that
    taken: list[list[Trip]] = []
    with ExitStack() as stack:
        servers = [stack.enter_context(running(way)) for way in _WAYS]
        for number in range(rounds):
            turn = [(number + n) % len(servers) for n in range(len(servers))]
            trips = {n: round_trip(servers[n]) for n in turn}
            taken.append([trips[n] for n in range(len(servers))])
    for number, way in enumerate(_WAYS):
        worked, passed = ([getattr(trips[number], name) for trips in taken] for name in ("worked", "passed"))
        print(f"a round trip {way:17} {spread(worked)} µs of work, {spread(passed)} µs pass")
    by_witness = [witness.worked - plain.worked for plain, witness, _ in taken]
    by_strace = [strace.worked - plain.worked for plain, _, strace in taken]
    percent = [100 * (witness.worked / plain.worked - 1) for plain, witness, _ in taken]
    print(f"the witness adds {spread(by_witness)} µs of work: {spread(percent, '.1f')} %")
    print(f"strace adds {spread(by_strace)} µs of work")
    cost, beside = statistics.median(by_witness), statistics.median(by_strace)
    ratio = f"{beside / cost:.0f} times as much" if cost > 0 else "and the witness nothing that can be seen"
    print(f"strace adds {ratio}")
    good = statistics.median(percent) <= MOST_PERCENT and beside >= LEAST_RATIO * cost
    print(f"at most {MOST_PERCENT:g} %, and at least {LEAST_RATIO:g} times: {'yes' if good else 'no'}")
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rounds", metavar="ROUNDS", type=int, nargs="?", default=ROUNDS)
    try:
        code = main(max(2, parser.parse_args().rounds))
    except (GraderTrouble, load.LoadFailed, build.CompileError) as error:
        print(f"overhead: {error}", file=sys.stderr)
        code = 3
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
