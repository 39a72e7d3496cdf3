"""A timeline in Chrome's trace event format, which Perfetto (https://ui.perfetto.dev) and chrome://tracing open.

Times are microseconds from the first event. The slices of one thread nest; what begins at the same time stands
in the order in which it is nested, as Perfetto takes it.
"""

import json
from collections.abc import Iterator
from typing import Any

from echolab.timeline import Lane, Link, Phase, Role, Span, Timeline

_CLIENTS = (1 << 22) + 1  # the process that our own clients are shown as; no real one has that id (man 5 proc, pid_max)


def write(timeline: Timeline) -> str:
    """The whole trace as JSON."""
    events = sorted(_events(timeline), key=lambda event: (event["ph"] != "M", event.get("ts", 0)))
    # No "displayTimeUnit": older versions of Perfetto take it for the unit of "ts".
    trace = {"traceEvents": events, "otherData": {"lost": timeline.lost}}
    return json.dumps(trace, separators=(",", ":")) + "\n"


def _events(timeline: Timeline) -> Iterator[dict[str, Any]]:
    last = max(_times(timeline), default=0)

    def at(time: int) -> float:
        return max(0, time - timeline.start) / 1000

    for position, lane in enumerate(timeline.lanes):
        where = _where(lane)
        yield from _names(lane, position, where)
        for mark in lane.marks:
            yield {"ph": "i", "s": "t", "name": mark.label, "cat": mark.kind, "ts": at(mark.time), **where}
        for span in lane.spans:
            end = last if span.end is None else span.end
            yield {
                "ph": "X",
                "name": span.label,
                "cat": span.phase.value,
                "ts": at(span.start),
                "dur": max(0, end - span.start) / 1000,
                "args": {"result": span.outcome or ("" if span.phase is Phase.ZOMBIE else "goes on")},
                **where,
            }
        yield from _connection(lane, where, at(lane.first), at(_last(lane)))
    for number, link in enumerate(timeline.links):
        source = link.call or _slice(link.source, link.time)
        start = min(source.start if source else link.source.first, link.time)
        yield from _arrow(number, link, at(start), at(link.time))


def _names(lane: Lane, position: int, where: dict[str, int]) -> Iterator[dict[str, Any]]:
    alone = lane.role in (Role.CLIENT, Role.GRADER)
    if lane.role is not Role.THREAD:
        name = "clients" if alone else lane.name
        yield {"ph": "M", "name": "process_name", "args": {"name": name}, **where}
        index = {"sort_index": -1 if alone else position}
        yield {"ph": "M", "name": "process_sort_index", "args": index, **where}
    yield {"ph": "M", "name": "thread_name", "args": {"name": lane.name}, **where}


def _connection(
    lane: Lane, where: dict[str, int], start: float, end: float
) -> Iterator[dict[str, Any]]:
    """A client's time is a slice too, so that its lane is drawn at its full height."""
    if lane.role is Role.CLIENT:
        yield {"ph": "X", "name": "connected", "cat": "client", "ts": start, "dur": end - start, **where}


def _where(lane: Lane) -> dict[str, int]:
    if lane.role in (Role.CLIENT, Role.GRADER):
        return {"pid": _CLIENTS, "tid": _CLIENTS + lane.tid}
    return {"pid": lane.pid, "tid": lane.tid}


def _slice(lane: Lane, time: int) -> Span | None:
    """The last slice that had begun by then: an arrow begins in a slice, or it is not shown."""
    return next((span for span in reversed(lane.spans) if span.start <= time), None)


def _arrow(number: int, link: Link, start: float, end: float) -> Iterator[dict[str, Any]]:
    """From a slice to the one that it leads to: the one around that time ("bp": "e"), or what a new lane begins with."""
    about = {"id": number, "name": link.kind, "cat": link.kind}
    around = _slice(link.target, link.time) is not None
    if around:
        end -= min(0.001, (end - start) / 2)  # a call's end is no longer in it
    yield {"ph": "s", "ts": start, **about, **_where(link.source)}
    yield {"ph": "f", "ts": end, **about, **_where(link.target)} | ({"bp": "e"} if around else {})


def _last(lane: Lane) -> int:
    return max((mark.time for mark in lane.marks), default=lane.first)


def _times(timeline: Timeline) -> Iterator[int]:
    for lane in timeline.lanes:
        yield from (mark.time for mark in lane.marks)
        yield from (span.end or span.start for span in lane.spans)
