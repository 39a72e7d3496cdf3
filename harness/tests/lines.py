"""How often the line that is to blame is named: python3 harness/tests/lines.py [PATTERN]

Of each wrong server the first failed check counts: its `where` has to be within two lines of the one
that is marked "// defect" in harness/mutants. What only a sanitizer finds is left out.
"""

import re
import sys
from dataclasses import dataclass

import conftest  # noqa: F401 (finds the package)

from echolab import build
from echolab.grading import Target, grade
from echolab.known import Known, catalogue
from echolab.report import Status, Where

NEAR = 2  # lines
MUTANTS = [server for server in catalogue() if server.is_wrong]


@dataclass(frozen=True)
class Named:
    """What was named for a wrong server, by which rule; `right` if that is where its defect is."""

    wrong: Known
    where: Where | None
    rule: str | None
    right: bool


def defects(wrong: Known) -> list[int]:
    lines = wrong.source.read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith("// defect")]


def name_line(wrong: Known) -> Named | None:
    """None if the server fails no check, or no line of it is marked."""
    steps = [int(id.split(".")[1]) for id in wrong.checks("fails") if re.match(r"\d\.\d\.", id)]
    if not steps or not defects(wrong):
        return None
    build.build(*wrong.binaries)
    sources = (wrong.source, wrong.lesson.source(solutions=True))
    target = Target(wrong.lesson, command=wrong.target.command, sources=sources)
    failed = grade(target, wrong.lesson.step(min(steps))).having(Status.FAIL)
    if not failed:
        return None
    where = failed[0].where
    here = where and where.file.endswith(wrong.source.name)
    right = bool(where and here and any(abs(where.line - n) <= NEAR for n in defects(wrong)))
    return Named(wrong, where, failed[0].rule, right)


def main(pattern: str = "") -> int:
    found = []
    for wrong in MUTANTS:
        if re.search(pattern, wrong.id) and (named := name_line(wrong)):
            found.append(named)
            place = f"{named.where.file}:{named.where.line}" if named.where else "no line"
            print(f"{'right' if named.right else 'wrong'}  {wrong.id}: {place} ({named.rule})", flush=True)
    right = sum(named.right for named in found)
    print(f"the right line for {right} of {len(found)} wrong servers")
    return 0 if right == len(found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
