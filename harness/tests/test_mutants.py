"""The grader against servers whose verdict is known: wrong ones (mutants) and right ones (styles).

What is known of a server stands in its first lines:

    a mutant   // A wrong server: …             the defect, and what comes of it
               // fails: 1.4.…, 1.5.…           exactly the checks that fail
               // cause: …                      a regular expression: the cause that the first one names
    a style    // …                             what is different about it
               // command: ./NAME {port} …      how it is started
               // except: …                     what this model cannot do
               // blocked: 2.5.…                the checks that cannot be tried on it
"""

import re
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from echolab import build, course  # noqa: E402
from echolab.course import ROOT, Lesson  # noqa: E402
from echolab.grading import Target, grade  # noqa: E402
from echolab.report import Report, Status  # noqa: E402
from echolab.server import Command  # noqa: E402

HARNESS = ROOT / "harness"


@dataclass(frozen=True)
class Known:
    """One server whose verdict is known."""

    lesson: Lesson
    source: Path

    @property
    def id(self) -> str:
        return f"{self.lesson.number}-{self.source.stem}"

    @property
    def header(self) -> str:
        """The comment on top of the source, on one line."""
        comment = "#" if self.source.suffix == ".py" else "//"
        lines = []
        for line in self.source.read_text(encoding="utf-8").splitlines():
            if not line.startswith(comment) or line.startswith("#include"):
                break
            lines.append(line.removeprefix(comment).strip())
        return " ".join(lines)

    def field(self, name: str) -> str | None:
        """What the header says after "name:"."""
        found = re.search(rf"\b{name}: (.*?)(?= (?:fails|cause|command|except|blocked): |$)", self.header)
        return found[1] if found else None

    def checks(self, name: str) -> set[str]:
        return {id.strip() for id in (self.field(name) or "").split(",") if id.strip()}

    @property
    def binary(self) -> Path | None:
        """Where Meson puts it; None if there is nothing to build."""
        if self.source.suffix != ".cpp":
            return None
        return build.DIRECTORY / self.source.parent.relative_to(ROOT) / self.source.stem

    @property
    def command(self) -> Command:
        arguments = (self.field("command") or "./ --host {host} --port {port}").partition(" ")[2]
        program = [str(self.binary)] if self.binary else [sys.executable, str(self.source)]
        return Command.parse(f"{shlex.join(program)} {arguments}")


def known(kind: str) -> list[Known]:
    return [
        Known(lesson, source)
        for lesson in course.lessons()
        for source in sorted((HARNESS / kind / lesson.slug).glob("*.*"))
        if source.suffix in (".cpp", ".py")
    ]


MUTANTS, STYLES = known("mutants"), known("styles")
LESSONS = sorted({mutant.lesson for mutant in MUTANTS}, key=lambda lesson: lesson.number)


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> None:
    """All that are to be graded, built in one go."""
    params = [v for i in request.session.items for v in getattr(i, "callspec").params.values()]
    lessons = {value for value in params if isinstance(value, Lesson)}
    servers = {value for value in params if isinstance(value, Known)}
    servers |= {mutant for mutant in MUTANTS if mutant.lesson in lessons}
    build.build(*{server.binary for server in servers if server.binary})


@cache
def graded(server: Known) -> Report:
    return grade(Target(server.lesson, command=server.command))


def ids(report: Report, status: Status) -> set[str]:
    return {check.id for check in report.having(status)}


def told(report: Report) -> str:
    """Every check that did not pass, as a student would read it."""
    return "\n".join(
        f"{check.status.value} {check.id}: {check.observed}; cause: {check.cause}"
        for check in report.checks
        if check.status is not Status.PASS
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_a_wrong_server_fails_exactly_what_its_defect_breaks(built: None, mutant: Known) -> None:
    report = graded(mutant)
    assert not report.having(Status.ERROR), told(report)
    assert ids(report, Status.FAIL) == mutant.checks("fails"), told(report)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_the_cause_of_a_defect_is_named(built: None, mutant: Known) -> None:
    report = graded(mutant)
    failed = report.having(Status.FAIL)
    assert failed and re.search(str(mutant.field("cause")), str(failed[0].cause)), told(report)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.id)
def test_a_right_server_passes_in_whatever_style(built: None, style: Known) -> None:
    report = graded(style)
    assert not report.having(Status.ERROR) + report.having(Status.FAIL), told(report)
    assert ids(report, Status.BLOCKED) == style.checks("blocked"), told(report)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: str(lesson.number))
def test_every_check_is_failed_by_a_wrong_server(built: None, lesson: Lesson) -> None:
    mutants = [mutant for mutant in MUTANTS if mutant.lesson == lesson]
    failed = set().union(*(mutant.checks("fails") for mutant in mutants))
    assert failed == {check.id for check in graded(mutants[0]).checks}


@pytest.mark.parametrize("server", MUTANTS + STYLES, ids=lambda server: server.id)
def test_its_header_says_what_is_known(server: Known) -> None:
    if server in MUTANTS:
        assert re.match(r"A wrong server: .+\. fails: .+ cause: .+", server.header)
        re.compile(str(server.field("cause")))
    else:
        assert re.match(r".+\. command: ", server.header)
        assert re.match(rf"\./{server.source.name.removesuffix('.cpp')} .*\{{port\}}", str(server.field("command")))
    assert re.fullmatch(r"[a-z0-9_]+", server.source.stem)


@pytest.mark.parametrize("server", MUTANTS + STYLES, ids=lambda server: server.id)
def test_it_is_listed_in_its_meson_build(server: Known) -> None:
    if server.binary:
        listed = (server.source.parent / "meson.build").read_text(encoding="utf-8")
        assert f"  '{server.source.stem}',\n" in listed
