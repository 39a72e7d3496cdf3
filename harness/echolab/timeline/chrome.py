"""A timeline in Chrome's trace event format, which Perfetto (https://ui.perfetto.dev) and chrome://tracing open.

Times are microseconds from the first event. The slices of one thread nest.
"""

import json
from collections.abc import Iterator
from typing import Any

from echolab.timeline import Lane, Link, Phase, Role, Timeline

_CLIENTS = 0  # the process id that our own clients are shown under; no real process has it


def write(timeline: Timeline) -> str:
    """The whole trace as JSON."""
    events = sorted(_events(timeline), key=lambda event: (event["ph"] != "M", event.get("ts", 0)))
    trace = {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"lost": timeline.lost}}
    return json.dumps(trace, separators=(",", ":")) + "\n"


def _events(timeline: Timeline) -> Iterator[dict[str, Any]]:
    last = max(_times(timeline), default=0)

    def at(time: int) -> float:
        return max(0, time - timeline.start) / 1000

    for position, lane in enumerate(timeline.lanes):
        where = {"pid": lane.pid or _CLIENTS, "tid": lane.tid}
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
        yield from _arrow(number, link, at(link.time))


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


def _arrow(number: int, link: Link, time: float) -> Iterator[dict[str, Any]]:
    for phase, lane in (("s", link.source), ("f", link.target)):
        event = {"ph": phase, "id": number, "name": link.kind, "cat": link.kind, "ts": time}
        yield event | {"pid": lane.pid, "tid": lane.tid} | ({"bp": "e"} if phase == "f" else {})


def _last(lane: Lane) -> int:
    return max((mark.time for mark in lane.marks), default=lane.first)


def _times(timeline: Timeline) -> Iterator[int]:
    for lane in timeline.lanes:
        yield from (mark.time for mark in lane.marks)
        yield from (span.end or span.start for span in lane.spans)
