"""A timeline in the order of its events: what both drawings, the text and the picture, are made of.

Time runs downward, and a row is one event. So calls that took microseconds are as legible as waits of seconds.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from echolab.timeline import Lane, Link, Phase, Role, Span, Timeline

# Calls that do not wait for anybody: one row, whatever happened elsewhere meanwhile.
_QUICK = {
    *("socket", "setsockopt", "bind", "listen", "close", "shutdown", "kill"),
    *("sigaction", "signal", "sigprocmask", "pthread_sigmask"),
    *("pthread_detach", "pthread_cond_signal", "pthread_cond_broadcast"),
}
_FEW = 3  # rows: to leave fewer out than that is not worth a row that says so
_LONGEST_CYCLE = 8  # rows that are folded when they repeat


class State(Enum):
    """What a lane does below a row."""

    ABSENT = "not there"
    RUNS = "runs"
    WAITS = "waits in a call"
    ZOMBIE = "has ended, and was not waited for"


@dataclass(eq=False)
class Row:
    """One event: the texts of the lanes that it concerns, and what every lane does from here on.

    `time` in nanoseconds; None for a row that only sums up.
    """

    time: int | None
    cells: dict[Lane, str]
    states: dict[Lane, State] = field(default_factory=dict)
    kind: str = "act"  # call, begin, return; signal, start, end; act; zombie, reap; repeat, gap
    count: int = 0  # of a gap: the events that are left out
    spans: list[Span] = field(default_factory=list)  # that begin or end here
    links: list[Link] = field(default_factory=list)


@dataclass
class Table:
    """Rows and the lanes that they are about; how much is not shown."""

    lanes: list[Lane]
    rows: list[Row]
    start: int
    hidden_lanes: int = 0
    hidden_rows: int = 0
    lost: int = 0

    @property
    def remark(self) -> str:
        """What is not shown, in words; empty if all is."""
        parts = [
            f"{count:,} {what}{'s' if count > 1 else ''} left out"
            for count, what in ((self.hidden_lanes, "lane"), (self.hidden_rows, "event"))
            if count
        ]
        parts += [f"{self.lost:,} events were not recorded"] if self.lost else []
        return ", ".join(parts)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` characters: shortened first, then cut off."""
    if len(text) > width:
        text = text.replace("pthread_", "").replace("(SIG", "(")
    return text if len(text) <= width else text[: width - 1] + "…"


def join_clients(timeline: Timeline) -> Timeline:
    """The same with one lane for all clients, where there is no room for one each."""
    apart = [lane for lane in timeline.lanes if lane.role in (Role.CLIENT, Role.GRADER)]
    if len(apart) < 2:
        return timeline
    joined = Lane(Role.GRADER, 0, 0, "clients")
    joined.marks = sorted(
        (
            replace(mark, label=f"{lane.tid or 'grader:'} {mark.label}")
            for lane in apart
            for mark in lane.marks
        ),
        key=lambda mark: mark.time,
    )
    others = [lane for lane in timeline.lanes if lane not in apart]
    links = [replace(link, source=joined) if link.source in apart else link for link in timeline.links]
    return replace(timeline, lanes=[joined, *others], links=links)


def tabulate(timeline: Timeline, *, most_rows: int, most_lanes: int, only_the_last: bool = False) -> Table:
    """The rows of the lanes that did most; of too many rows the first and the last.

    With `only_the_last`, the last rows, of the lanes that were the last to do something.
    """
    lanes = _chosen(timeline.lanes, most_lanes, _last if only_the_last else _busy)
    rows = _folded(_rows(lanes, timeline.links))
    _follow(rows, lanes)
    hidden = len(rows) - most_rows
    if hidden < _FEW:
        hidden = 0
    else:
        rows = _shortened(rows, most_rows, only_the_last)
    shown = [lane for lane in lanes if any(_is_there(row, lane) for row in rows)]
    for row in rows:  # a parent may have ended, out of sight, before its child is seen
        row.links = [link for link in row.links if link.source in shown and link.target in shown]
    return Table(
        shown, rows, timeline.start, len(timeline.lanes) - len(shown), hidden, timeline.lost
    )


def _is_there(row: Row, lane: Lane) -> bool:
    return lane in row.cells or row.states.get(lane, State.ABSENT) is not State.ABSENT


def _chosen(lanes: list[Lane], most: int, weight: Callable[[Lane], int]) -> list[Lane]:
    if len(lanes) <= most:
        return lanes
    main = next((lane for lane in lanes if lane.role is Role.PROCESS), None)
    ranked = sorted(lanes, key=lambda lane: (lane is not main, -weight(lane)))
    kept = set(ranked[:most])
    return [lane for lane in lanes if lane in kept]


def _last(lane: Lane) -> int:
    times = [mark.time for mark in lane.marks[-1:]]
    times += [span.end if span.end is not None else span.start for span in lane.spans[-1:]]
    return max(times, default=0)


def _busy(lane: Lane) -> int:
    return len(lane.marks) + len(lane.spans)


def _rows(lanes: list[Lane], links: Iterable[Link]) -> list[Row]:
    """One row an event, in the order of time. A call that nothing came in between of is one row."""
    moments: list[tuple[int, int, Row]] = []

    def add(time: int, row: Row) -> None:
        moments.append((time, len(moments), row))

    for lane in lanes:
        cut_short = [s for s in lane.spans if s.phase is Phase.CALL and s.end is not None and not s.outcome]
        for mark in lane.marks:
            ended = [s for s in cut_short if s.end == mark.time] if mark.kind == "end" else []
            add(mark.time, Row(mark.time, {lane: mark.label}, kind=mark.kind, spans=ended))
        for span in lane.spans:
            if span.phase is Phase.ZOMBIE:
                add(span.start, Row(span.start, {}, kind="zombie", spans=[span]))
                if span.end is not None:
                    add(span.end, Row(span.end, {lane: span.outcome}, kind="reap", spans=[span]))
            elif span.end is not None and _name(span) in _QUICK:
                add(span.start, Row(span.start, {lane: _whole(span)}, kind="call", spans=[span]))
            else:
                add(span.start, Row(span.start, {lane: f"{span.label} …"}, kind="begin", spans=[span]))
                if span.end is not None and span.outcome:
                    ending = {lane: f"{_name(span)}{_result(span)}"}
                    add(span.end, Row(span.end, ending, kind="return", spans=[span]))
    moments.sort(key=lambda moment: moment[:2])
    rows = _merged(row for _, _, row in moments)
    _attach(rows, links, set(lanes))
    return rows


def _merged(rows: Iterable[Row]) -> list[Row]:
    out: list[Row] = []
    for row in rows:
        last = out[-1] if out else None
        if last and row.kind == "return" and last.kind == "begin" and last.spans == row.spans:
            (lane,) = last.cells
            last.cells[lane], last.kind = _whole(row.spans[0]), "call"
        elif last and row.kind in ("zombie", "reap") and row.time in _times(last):
            # The end that makes a zombie, and the wait that ends it, are rows already.
            last.cells |= {lane: text for lane, text in row.cells.items() if lane not in last.cells}
            last.spans = [*last.spans, *row.spans]
        else:
            out.append(row)
    return out


def _times(row: Row) -> set[int | None]:
    """When what the row tells has happened: a whole call, at its beginning and its end."""
    return {row.time, *(span.end for span in row.spans if row.kind == "call")}


def _attach(rows: list[Row], links: Iterable[Link], lanes: set[Lane]) -> None:
    by_place = {(time, lane): row for row in reversed(rows) for time in _times(row) for lane in row.cells}
    for link in links:
        row = by_place.get((link.time, link.target))
        if row and link.source in lanes and link.target in lanes:
            row.links.append(link)


def _follow(rows: list[Row], lanes: list[Lane]) -> None:
    """Sets what each lane does below each row."""
    open_spans: dict[Lane, list[Span]] = {lane: [] for lane in lanes}
    owner = {id(span): lane for lane in lanes for span in lane.spans}
    left = {lane: 0 for lane in lanes}
    for row in rows:
        for lane in row.cells:
            left[lane] += 1
    begun: set[Lane] = set()
    for row in rows:
        for span in row.spans:
            spans = open_spans[owner[id(span)]]
            if span in spans:
                spans.remove(span)
            elif row.kind != "call" and span.end != span.start:
                spans.append(span)
        for lane in row.cells:
            begun.add(lane)
            left[lane] -= 1
        for lane in lanes:
            row.states[lane] = _state(lane, row, open_spans[lane], lane in begun, left[lane])


def _state(lane: Lane, row: Row, spans: list[Span], begun: bool, left: int) -> State:
    if any(span.phase is Phase.ZOMBIE for span in spans):
        return State.ZOMBIE
    over = lane.end is not None and not left
    if not begun or over or lane.role is Role.GRADER:
        return State.ABSENT
    return State.WAITS if spans else State.RUNS


def _folded(rows: list[Row]) -> list[Row]:
    """What repeats is shown once, and how many times."""
    keys = [_key(row) for row in rows]
    out: list[Row] = []
    position = 0
    while position < len(rows):
        cycle, times = _repetition(keys, position)
        out += rows[position : position + cycle]
        if times > 1:
            folded = rows[position + cycle : position + cycle * times]
            spans = [span for row in folded if row.kind != "call" for span in row.spans]
            what = f"and {times - 1:,} more" if cycle == 1 else f"these {cycle} × {times:,}"
            lane = next(iter(rows[position].cells))
            out.append(Row(None, {lane: what}, kind="repeat", spans=spans))
        position += cycle * times
    return out


def _repetition(keys: list[object], start: int) -> tuple[int, int]:
    """How many rows from `start` on repeat, and how many times they are there; (1, 1) if they do not."""
    if keys[start] is None:
        return 1, 1
    for cycle in range(1, _LONGEST_CYCLE + 1):
        one = keys[start : start + cycle]
        times = 1
        while keys[start + times * cycle : start + (times + 1) * cycle] == one and None not in one:
            times += 1
        if times * cycle > max(cycle + 1, 3):
            return cycle, times
    return 1, 1


def _key(row: Row) -> object:
    """What makes two rows the same event again; None for what is never folded."""
    if row.kind not in ("call", "begin", "return", "act") or len(row.cells) != 1 or row.links:
        return None
    ((lane, text),) = row.cells.items()
    if row.kind == "act":
        return lane, re.sub(r"\d[\d.,]*( [MK]iB)?", "", text)
    return lane, text.partition(" = ")[0]


def _shortened(rows: list[Row], most: int, only_the_last: bool) -> list[Row]:
    head = 0 if only_the_last else most // 4
    tail = rows[len(rows) - (most - head) :]
    left_out = len(rows) - most
    before = rows[len(rows) - len(tail) - 1]
    underway = _underway(rows[: len(rows) - len(tail)], before)
    gap = Row(None, underway, dict(before.states), "gap", count=left_out)
    return [*rows[:head], gap, *tail]


def _underway(rows: list[Row], last: Row) -> dict[Lane, str]:
    """The calls that were begun in `rows` and that their lanes are still in."""
    begun: dict[Lane, str] = {}
    for row in rows:
        if row.kind == "begin":
            begun |= row.cells
    waiting = {lane for lane, state in last.states.items() if state is State.WAITS}
    return {lane: text for lane, text in begun.items() if lane in waiting}


def _name(span: Span) -> str:
    return span.label.partition("(")[0]


def _result(span: Span) -> str:
    return f" = {span.outcome}" if span.outcome and span.outcome != "done" else " done"


def _whole(span: Span) -> str:
    """A call and what came of it."""
    if span.outcome in ("", "done"):
        return span.label
    return f"{span.label.removesuffix('()')}{_result(span)}"
