"""A timeline for the terminal: a column for each lane, a line for each event."""

from echolab.timeline import Timeline
from echolab.timeline.rows import Row, State, Table, cut, join_clients, tabulate

_TIME_WIDTH = 8
_NARROWEST = 17  # columns for one lane, its gap included
_FANCY = {State.ABSENT: " ", State.RUNS: "│", State.WAITS: "┊", State.ZOMBIE: "z"}
_PLAIN = {State.ABSENT: " ", State.RUNS: "|", State.WAITS: ":", State.ZOMBIE: "z"}
_ASCII = str.maketrans({"…": "..", "×": "x"})


def write(
    timeline: Timeline,
    *,
    width: int = 80,
    most_rows: int = 200,
    only_the_last: bool = False,
    fancy: bool = True,
) -> str:
    """The timeline as lines of at most `width` characters; without `fancy`, of ASCII only."""
    room = width - _TIME_WIDTH - 2
    if len(timeline.lanes) * _NARROWEST > room:
        timeline = join_clients(timeline)
    table = tabulate(
        timeline,
        most_rows=most_rows,
        most_lanes=max(1, room // _NARROWEST),
        only_the_last=only_the_last,
    )
    if not table.rows:
        return "nothing was seen"
    column = min(26, room // max(1, len(table.lanes)))
    bars = _FANCY if fancy else _PLAIN
    lines = [_line("ms", [lane.name for lane in table.lanes], column)]
    lines += [_row(row, table, column, bars) for row in table.rows]
    lines += ["", *_legend(table, bars)]
    text = "\n".join(line.rstrip() for line in lines)
    return text if fancy else text.translate(_ASCII)


def _line(time: str, cells: list[str], column: int) -> str:
    return f"{time:>{_TIME_WIDTH}}  " + "".join(f"{cut(cell, column - 1):<{column}}" for cell in cells)


def _row(row: Row, table: Table, column: int, bars: dict[State, str]) -> str:
    time = "" if row.time is None else _milliseconds(row.time - table.start)
    if row.kind == "gap":
        time = f"… {row.count:,}"
    cells = [row.cells.get(lane, bars[row.states[lane]]) for lane in table.lanes]
    return _line(time, cells, column)


def _milliseconds(nanoseconds: int) -> str:
    return cut(f"{nanoseconds / 1e6:,.2f}", _TIME_WIDTH)


def _legend(table: Table, bars: dict[State, str]) -> list[str]:
    seen = {state for row in table.rows for lane, state in row.states.items() if lane in table.lanes}
    words = {State.RUNS: "runs", State.WAITS: "waits in the call above", State.ZOMBIE: "zombie"}
    parts = [f"{bars[state]} {text}" for state, text in words.items() if state in seen]
    return [f"{'':{_TIME_WIDTH}}  {text}" for text in (", ".join(parts), table.remark) if text]
