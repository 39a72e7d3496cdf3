"""A timeline as a picture: one SVG that needs nothing else, for light and dark screens."""

import math
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from echolab.timeline import Lane, Phase, Role, Span, Timeline
from echolab.timeline.rows import Row, State, Table, cut, join_clients, tabulate

MOST_ROWS, MOST_LANES = 300, 12
_MOST_CLIENTS = 4  # with a lane each; more share one
_LEFT, _TOP, _BOTTOM = 74, 58, 52  # pixels: the times; the names; the legend
_LANE, _ROW = 176, 22
_TEXT = 21  # characters that fit into a lane

# What a call waits for, by which its bar is coloured: its words in the legend, and the calls.
_GROUPS = {
    "client": ("a client", "accept accept4 poll ppoll select pselect epoll_wait epoll_pwait".split()),
    "bytes": ("bytes", "read readv recv recvfrom recvmsg".split()),
    "room": ("room to write", "write writev send sendto sendmsg".split()),
    "other": (
        "a process, thread, signal or time",
        "wait waitpid wait3 wait4 waitid pthread_join pthread_cond_wait pthread_cond_timedwait "
        "pthread_cond_clockwait sigwait sleep usleep nanosleep clock_nanosleep".split(),
    ),
}
_QUICK = "dot"  # all the others

_STYLE = """
.tl{--ink:#1f2328;--dim:#59636e;--line:#c9d1d9;--paper:#fff;--band:#f6f8fa;
--client:#0969da;--bytes:#1a7f37;--room:#b35900;--other:#8250df;--bad:#cf222e}
@media (prefers-color-scheme:dark){.tl{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--paper:#0d1117;--band:#151b23;
--client:#4493f8;--bytes:#3fb950;--room:#e09b3d;--other:#ab7df8;--bad:#f85149}}
.tl text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.tl .name{font-weight:600;font-size:13px}.tl .dim,.tl .time{fill:var(--dim);font-size:11px}.tl .time{text-anchor:end}
.tl .paper{fill:var(--paper)}.tl .band{fill:var(--band)}.tl .life{stroke:var(--line);stroke-width:2}
.tl .client{fill:var(--client)}.tl .bytes{fill:var(--bytes)}.tl .room{fill:var(--room)}.tl .other{fill:var(--other)}
.tl .dot{fill:var(--dim)}.tl circle{stroke:var(--paper)}.tl .act{fill:var(--paper);stroke:var(--ink);stroke-width:1.5}
.tl .signal{fill:var(--bad)}.tl .word{fill:var(--bad);font-weight:600}
.tl .end{stroke:var(--ink);stroke-width:2}.tl .start{fill:var(--ink)}
.tl .zombie{stroke:var(--bad);stroke-width:1.5}.tl .hatch{stroke:var(--bad);stroke-width:3}
.tl .link{stroke:var(--dim);stroke-width:1.2;fill:none}.tl .tip{fill:var(--dim)}.tl .note{font-style:italic}
"""


def write(
    timeline: Timeline,
    *,
    title: str,
    identity: str = "timeline",
    most_rows: int = MOST_ROWS,
    most_lanes: int = MOST_LANES,
    only_the_last: bool = False,
) -> str:
    """The picture. `identity` begins its ids: two in one page need different ones."""
    if sum(lane.role is Role.CLIENT for lane in timeline.lanes) > _MOST_CLIENTS:
        timeline = join_clients(timeline)
    table = tabulate(timeline, most_rows=most_rows, most_lanes=most_lanes, only_the_last=only_the_last)
    return ElementTree.tostring(_Picture(table, title, identity).root, encoding="unicode")


class _Picture:
    def __init__(self, table: Table, title: str, identity: str) -> None:
        self._table, self._identity = table, identity
        self._x = {lane: _LEFT + 24 + position * _LANE for position, lane in enumerate(table.lanes)}
        self._y = list(_heights(table.rows))
        width = _LEFT + 24 + max(2, len(table.lanes)) * _LANE
        bottom = self._y[-1] if self._y else _TOP
        self._bottom, height = bottom + _ROW, bottom + _ROW + _BOTTOM
        self.root = Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "class": "tl",
                "role": "img",
                "width": str(width),
                "height": str(height),
                "viewBox": f"0 0 {width} {height}",
                "aria-labelledby": f"{identity}-title {identity}-desc",
            },
        )
        SubElement(self.root, "title", id=f"{identity}-title").text = title
        SubElement(self.root, "desc", id=f"{identity}-desc").text = describe(table)
        SubElement(self.root, "style").text = _STYLE
        self._definitions()
        self._rect("paper", 0, 0, width, height)
        self._bands(width)
        self._names()
        self._lives()
        self._spans()
        for row, y in zip(table.rows, self._y, strict=True):
            self._row(row, y)
        self._legend()

    def _definitions(self) -> None:
        hatch = SubElement(
            SubElement(self.root, "defs"),
            "pattern",
            {
                "id": f"{self._identity}-hatch",
                "width": "6",
                "height": "6",
                "patternUnits": "userSpaceOnUse",
                "patternTransform": "rotate(45)",
            },
        )
        SubElement(hatch, "line", {"class": "hatch", "x1": "0", "y1": "0", "x2": "0", "y2": "6"})

    def _rect(self, kind: str, x: float, y: float, width: float, height: float, **more: str) -> Element:
        place = {"x": f"{x:g}", "y": f"{y:g}", "width": f"{width:g}", "height": f"{height:g}"}
        return SubElement(self.root, "rect", {"class": kind, **place, **more})

    def _text(self, kind: str, x: float, y: float, text: str) -> None:
        SubElement(self.root, "text", {"class": kind, "x": f"{x:g}", "y": f"{y:g}"}).text = text

    def _line(self, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
        place = {"x1": f"{x1:g}", "y1": f"{y1:g}", "x2": f"{x2:g}", "y2": f"{y2:g}"}
        SubElement(self.root, "line", {"class": kind, **place})

    def _path(self, kind: str, path: str) -> None:
        SubElement(self.root, "path", {"class": kind, "d": path})

    def _bands(self, width: int) -> None:
        for y in self._y[::2]:
            self._rect("band", 0, y - _ROW / 2, width, _ROW)

    def _names(self) -> None:
        self._text("time", _LEFT, 40, "ms")
        for lane, x in self._x.items():
            self._text("name", x - 6, 24, lane.name)
            self._text("dim", x - 6, 40, about(lane))

    def _lives(self) -> None:
        for lane, x in self._x.items():
            for row, y, below in zip(self._table.rows, self._y, [*self._y[1:], self._bottom], strict=True):
                if row.states[lane] not in (State.ABSENT, State.ZOMBIE):
                    self._line("life", x, y, x, below)

    def _spans(self) -> None:
        """A bar for each call that others did something during, and for each zombie."""
        first: dict[int, float] = {}
        owners = {id(span): lane for lane in self._x for span in lane.spans}
        begun: dict[int, Span] = {}
        for row, y in zip(self._table.rows, self._y, strict=True):
            if row.kind == "gap":
                for lane in self._x:
                    for span in lane.spans:
                        if _covers(span, row, self._table):
                            begun[id(span)], first[id(span)] = span, y
            for span in row.spans:
                if id(span) in begun:
                    self._bar(owners[id(span)], begun.pop(id(span)), first[id(span)], y)
                elif row.kind != "call" or span.phase is Phase.ZOMBIE:
                    begun[id(span)], first[id(span)] = span, y
        for key, span in begun.items():
            if span.end is None:
                self._bar(owners[key], span, first[key], self._bottom)

    def _bar(self, lane: Lane, span: Span, top: float, bottom: float) -> None:
        x = self._x[lane] + 4 * min(span.depth, 2)
        if span.phase is Phase.ZOMBIE:
            fill = f"url(#{self._identity}-hatch)"
            bar = self._rect("zombie", x - 6, top, 12, bottom - top, rx="3", fill=fill)
        else:
            bar = self._rect(group(span.label), x - 5, top, 10, bottom - top, rx="4")
        SubElement(bar, "title").text = f"{lane.name}: {span.label} {_duration(span)}"

    def _row(self, row: Row, y: float) -> None:
        if row.time is not None:
            self._text("time", _LEFT, y + 4, f"{(row.time - self._table.start) / 1e6:,.2f}")
        if row.kind == "gap":
            self._text("dim note", 8, y + 4, f"… {row.count:,} left out")
        for lane, text in row.cells.items():
            if lane in self._x:
                self._symbol(row, lane, y)
                kind = "word" if row.kind == "signal" else "note" if row.time is None else "what"
                self._text(kind, self._x[lane] + 13, y + 4, cut(text, _TEXT))
        for link in row.links:
            self._link(self._x[link.source], self._x[link.target], y)

    def _symbol(self, row: Row, lane: Lane, y: float) -> None:
        x = self._x[lane]
        if row.kind == "signal":
            self._path("signal", f"M{x} {y - 7}l7 7l-7 7l-7 -7z")
        elif row.kind == "end":
            self._path("end", f"M{x - 5} {y - 5}l10 10M{x - 5} {y + 5}l10 -10")
        elif row.kind == "call" and any(span.phase is Phase.CALL for span in lane.spans if span in row.spans):
            name = group(row.cells[lane])
            SubElement(self.root, "circle", {"class": name, "cx": f"{x}", "cy": f"{y:g}", "r": "3.5"})
        elif row.kind in ("act", "start"):
            SubElement(self.root, "circle", {"class": row.kind, "cx": f"{x}", "cy": f"{y:g}", "r": "4.5"})

    def _link(self, source: float, target: float, y: float) -> None:
        """An arrow below the texts of the row."""
        y += _ROW / 2 - 1
        side = 1 if target > source else -1
        self._path("link", f"M{source} {y}H{target - 6 * side}")
        self._path("tip", f"M{target - 2 * side} {y}l{-6 * side} -3.5v7z")

    def _legend(self) -> None:
        spans = [span for lane in self._x for span in lane.spans]
        used = {group(span.label) for span in spans if span.phase is Phase.CALL}
        entries: list[tuple[str, str, dict[str, str]]]
        entries = [(name, words, {}) for name, (words, _) in _GROUPS.items() if name in used]
        if any(span.phase is Phase.ZOMBIE for span in spans):
            entries.append(("zombie", "zombie", {"fill": f"url(#{self._identity}-hatch)"}))
        y, x = self._bottom + 24, 10
        if used - {_QUICK}:
            self._text("dim", x, y, "waits for")
            x += 76
        for name, words, more in entries:
            self._rect(name, x, y - 9, 10, 10, rx="3", **more)
            self._text("dim", x + 16, y, words)
            x += 34 + 7 * len(words)
        remark = self._table.remark
        self._text("dim", 10, y + 18 * bool(entries), f"A row is an event; times are not to scale.{' ' if remark else ''}{remark}")


def group(call: str) -> str:
    """The class of a call, from which it has its colour."""
    name = call.partition("(")[0].partition(" ")[0]
    return next((key for key, (_, names) in _GROUPS.items() if name in names), _QUICK)


def about(lane: Lane) -> str:
    """The second line of a lane's name: its number in the kernel."""
    if lane.role is Role.PROCESS:
        return f"pid {lane.pid}"
    return f"tid {lane.tid}" if lane.role is Role.THREAD else ""


def describe(table: Table) -> str:
    """What the picture shows, for who cannot see it."""
    names = ", ".join(lane.name for lane in table.lanes)
    events = [
        f"{(row.time - table.start) / 1e6:,.2f} ms: {lane.name} {text}"
        for row in table.rows
        if row.time is not None
        for lane, text in row.cells.items()
    ]
    shown = "; ".join(events[:40])
    more = f"; and {len(events) - 40} more" if len(events) > 40 else ""
    return f"Lanes: {names}. {shown}{more}. {table.remark}".strip()


def _heights(rows: list[Row]) -> Iterator[float]:
    """Where each row lies: a long time without an event is a wider gap, by its logarithm."""
    y: float = _TOP
    before = None
    for row in rows:
        if before is not None and row.time is not None:
            y += _ROW + 7 * math.log10(max(1.0, (row.time - before) / 1e6))
        else:
            y += _ROW if row is not rows[0] else 0
        before = row.time if row.time is not None else before
        yield y


def _covers(span: Span, gap: Row, table: Table) -> bool:
    """Whether a call was begun in what is left out, and has not returned there."""
    after = next((row.time for row in table.rows[table.rows.index(gap) + 1 :] if row.time is not None), None)
    if after is None or span.start >= after or (span.end is not None and span.end < after):
        return False
    return not any(span in row.spans for row in table.rows[: table.rows.index(gap)])


def _duration(span: Span) -> str:
    if span.end is None:
        return "goes on"
    outcome = f"= {span.outcome}, " if span.outcome and span.phase is Phase.CALL else ""
    return f"{outcome}{(span.end - span.start) / 1e6:,.2f} ms"
