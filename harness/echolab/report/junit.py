"""A Report as JUnit XML, which continuous integration shows: a test suite a step, a test case a check."""

from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from echolab.plain import plain
from echolab.report import CheckResult, Report, Status, StepResult

_TAGS = {Status.FAIL: "failure", Status.ERROR: "error", Status.BLOCKED: "skipped"}


def write(reports: list[Report]) -> str:
    """All reports in one document."""
    root = Element("testsuites", {"name": "Echo Lab"} | _counts(c for r in reports for c in r.checks))
    for report in reports:
        for step in report.steps:
            _add_suite(root, report, step)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_suite(root: Element, report: Report, step: StepResult) -> None:
    name = plain(f"{step.id} {step.title}")
    suite = SubElement(root, "testsuite", {"name": name} | _counts(step.checks))
    SubElement(SubElement(suite, "properties"), "property", name="server", value=plain(report.server))
    for check in step.checks:
        _add_case(suite, report, step, check)


def _add_case(suite: Element, report: Report, step: StepResult, check: CheckResult) -> None:
    about = {"classname": f"lesson_{report.lesson}.{step.id}", "name": plain(check.title)}
    if check.where:
        about |= {"file": plain(check.where.file), "line": str(check.where.line)}
    case = SubElement(suite, "testcase", about | {"time": f"{check.seconds:.3f}"})
    if tag := _TAGS.get(check.status):
        found = SubElement(case, tag, {"message": plain(check.observed or "")})
        found.text = "\n".join(
            plain(f"{name}: {text}")
            for name in ("expected", "observed", "cause", "hint", "docs")
            if (text := getattr(check, name))
        )


def _counts(checks: Iterable[CheckResult]) -> dict[str, str]:
    found = list(checks)
    number = {status: sum(check.status is status for check in found) for status in Status}
    return {
        "tests": str(len(found)),
        "failures": str(number[Status.FAIL]),
        "errors": str(number[Status.ERROR]),
        "skipped": str(number[Status.BLOCKED]),
        "time": f"{sum(check.seconds for check in found):.3f}",
    }
