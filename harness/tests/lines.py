"""How often what is to blame is named: python3 harness/tests/lines.py [PATTERN]

Of each wrong server the first check counts that always fails: its `where` has to be within two lines
of the one that is marked "// defect" in harness/mutants, and its cause has to be the one that the
server's header knows. What only a sanitizer finds is left out.
"""

import re
import sys
from dataclasses import dataclass

import conftest  # noqa: F401 (finds the package)

from echolab import build
from echolab.grading import NEED_SANITIZER, Target, grade
from echolab.known import Known, catalogue
from echolab.report import Status, Where

NEAR = 2  # lines
MUTANTS = [server for server in catalogue() if server.is_wrong]


@dataclass(frozen=True)
class Named:
    """What was named for a wrong server, by which rule, and what is wrong with that; "" if nothing."""

    wrong: Known
    where: Where | None
    rule: str | None
    fault: str


def defects(wrong: Known) -> list[int]:
    lines = wrong.source.read_text(encoding="utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith("// defect")]


def name_line(wrong: Known) -> Named | None:
    """None if the server fails no check, or no line of it is marked."""
    ids = [id.split(".") for id in wrong.checks("fails") if re.match(r"\d\.\d\.", id)]
    steps = [int(step) for _, step, name in ids if name not in NEED_SANITIZER]
    if not steps or not defects(wrong):
        return None
    build.build(*wrong.binaries)
    # Most of its places have the file that #line names, some the one that was put together from it.
    assembled = [binary.with_suffix(".cpp") for binary in wrong.binaries[:1]]
    sources = (wrong.source, wrong.lesson.source(solutions=True), *assembled)
    target = Target(wrong.lesson, command=wrong.target.command, sources=sources)
    failed = grade(target, wrong.lesson.step(min(steps))).having(Status.FAIL)
    first = next((check for check in failed if check.id in wrong.checks("fails")), None)
    if not first:
        return Named(wrong, None, None, "nothing fails")
    where = first.where
    here = where and where.file.endswith(wrong.source.name)
    fault = ""
    if not where or not here or all(abs(where.line - n) > NEAR for n in defects(wrong)):
        fault = "line"
    elif not re.search(str(wrong.field("cause")), str(first.cause)):
        fault = f"cause, {first.cause!r}"
    return Named(wrong, where, first.rule, fault)


def main(pattern: str = "") -> int:
    found = []
    for wrong in MUTANTS:
        if re.search(pattern, wrong.id) and (named := name_line(wrong)):
            found.append(named)
            place = f"{named.where.file}:{named.where.line}" if named.where else "no line"
            verdict = f"wrong {named.fault}" if named.fault else "right"
            print(f"{verdict}  {wrong.id}: {place} ({named.rule})", flush=True)
    right = sum(not named.fault for named in found)
    print(f"the right line and cause for {right} of {len(found)} wrong servers")
    return 0 if right == len(found) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
