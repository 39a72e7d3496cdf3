"""Which checks the wrong servers prove, and the fewest of those servers that do.

A check that no wrong server fails may be one that nothing fails: nobody knows.
"""

import importlib
import sys
from collections.abc import Iterable

from echolab import course
from echolab.grading import CHECKS
from echolab.known import Known
from echolab.verdict import Check


def checks() -> list[str]:
    """The id of every check, by lesson and step."""
    found: dict[str, Check] = {}
    for lesson in course.lessons():
        for name, value in vars(_module(f"lesson_{lesson.number}")).items():
            if isinstance(check := getattr(value, "check", None), Check):
                found[f"{lesson.number}.{check.step}.{name}"] = check
    return sorted(found, key=lambda id: id.split(".")[:2])


def _module(name: str) -> object:
    sys.path.insert(0, str(CHECKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(CHECKS))


def unproven(servers: Iterable[Known]) -> list[str]:
    """The checks that none of these servers is known to fail in every run."""
    proven = set().union(*(server.checks("fails") for server in servers))
    return [id for id in checks() if id not in proven]


def fewest(servers: Iterable[Known]) -> list[Known]:
    """Of wrong servers, a few that together fail every check that any of them fails.

    For each check, beginning with the one that the fewest servers fail, the server that fails the
    fewest others: it is the one that tells most about that check.
    """
    wrong = [server for server in servers if server.is_wrong]
    failing = {id: [s for s in wrong if id in s.checks("fails")] for s in wrong for id in s.checks("fails")}
    chosen: list[Known] = []
    for id in sorted(failing, key=lambda id: (len(failing[id]), id)):
        if not any(server in chosen for server in failing[id]):
            chosen.append(min(failing[id], key=lambda server: (len(server.checks("fails")), server.id)))
    return sorted(chosen, key=lambda server: server.id)
