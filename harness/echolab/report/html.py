"""A Report, or what `lab trace` saw, as one HTML page: no scripts, nothing from elsewhere, light and dark."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from echolab.plain import plain
from echolab.report import Report, Status
from echolab.timeline import Timeline, svg, text

_TEXT_WIDTH = 110
MOST_ROWS_OF_A_FAILURE = 60  # in the picture: the last ones
_STATUSES = {
    Status.PASS: ("✓", "passed"),
    Status.FAIL: ("✗", "failed"),
    Status.BLOCKED: ("–", "not tried"),
    Status.ERROR: ("!", "the grader’s own trouble"),
}


def write(reports: list[Report]) -> str:
    """The page for one or several lessons."""
    return page("report.html", reports=reports, Status=Status, statuses=_STATUSES)


def write_trace(
    timeline: Timeline, *, title: str, about: str, trouble: str | None, note: str | None
) -> str:
    """The page for one picture; `trouble` says why it ends early, `note` what is missing in it."""
    values = {"title": title, "about": about, "trouble": trouble, "note": note}
    return page("trace.html", timeline=timeline, **values)


def page(name: str, **values: object) -> str:
    """The template `name`, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"picture": _picture, "lines": _lines, "last_rows": MOST_ROWS_OF_A_FAILURE}
    return environment.get_template(name).render(**values)


def _safe(value: object) -> object:
    """Whatever a template prints: escape sequences of terminals and control characters are gone."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _picture(timeline: Timeline, title: str, identity: str, most_rows: int = svg.MOST_ROWS) -> Markup:
    only_the_last = most_rows < svg.MOST_ROWS
    drawn = svg.write(
        timeline, title=plain(title), identity=identity, most_rows=most_rows, only_the_last=only_the_last
    )
    return Markup(drawn)


def _lines(timeline: Timeline, most_rows: int = svg.MOST_ROWS) -> str:
    only_the_last = most_rows < svg.MOST_ROWS
    return text.write(timeline, width=_TEXT_WIDTH, most_rows=most_rows, only_the_last=only_the_last)
