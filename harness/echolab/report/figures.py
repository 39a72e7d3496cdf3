"""A Comparison as tables: on the terminal, and in Markdown for the docs."""

from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from echolab.comparison import Comparison, Row, Standing
from echolab.verdict import GraderTrouble

_Cell = Callable[[Row], str]
_Columns = list[tuple[str, _Cell]]


def write(comparison: Comparison, console: Console) -> None:
    """The tables of each model, who is ahead, and what there is to doubt."""
    for model, title in comparison.models.items():
        console.print(Text(f"Lesson {model}, {title}", "bold"))
        for columns in _tables(comparison):
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
            table.add_column("server", no_wrap=True)
            for heading, _ in columns:
                table.add_column(heading, justify="right", no_wrap=True)
            for row in _rows(comparison, model):
                cells = [cell(row) for _, cell in columns]
                table.add_row(Text(row.name, "bold" if row.ours else ""), *cells)
            console.print(table)
            console.print()
    for line in standings(comparison):
        console.print(line, style="yellow" if " behind " in line else "", soft_wrap=True)
    for line in remarks(comparison):
        console.print(line, style="yellow", soft_wrap=True)


def markdown(comparison: Comparison) -> str:
    """The same tables and remarks, for a page that includes them."""
    lines: list[str] = []
    for model, title in comparison.models.items():
        lines += [f"**Lesson {model}, {title}**", ""]
        for columns in _tables(comparison):
            lines.append(_line(["server", *(heading.replace("\n", " ") for heading, _ in columns)]))
            lines.append(_line(["---"] + ["---:"] * len(columns)))
            for row in _rows(comparison, model):
                name = f"**{row.name}**" if row.ours else row.name
                lines.append(_line([name, *(cell(row) for _, cell in columns)]))
            lines.append("")
    lines += [f"- {line}" for line in [*standings(comparison), *remarks(comparison)]]
    return "\n".join(lines) + "\n"


_CHINESE = {
    "| server": "| 服务器", "of the floor": "占下限的比例", "1 client 1/s": "1 个客户端 次/秒",
    "clients 1/s": "个客户端 次/秒", "connections 1/s": "连接/秒", "large MB/s": "大消息 MB/s",
    "µs: p50, p99, p99.9 1 client": "µs：p50、p99、p99.9，1 个客户端", "the same ": "同上，",
    "fixed schedule": "固定时间表", "KiB a client": "内存 KiB/客户端", "switches a trip": "切换/往返",
    "CPU µs a trip": "处理器 µs/往返", "first byte while one holds on": "有人占着时的首字节",
    "beside a slow one": "旁边有人从不读时", "waits for it": "等它离开",
}  # fmt: skip


def write_docs(comparison: Comparison, folder: Path) -> None:
    """Writes what the docs include, bench.en.md and bench.zh.md. Raises GraderTrouble."""
    text = markdown(comparison)
    names = {"round_trips": "Round trips a second", "latency_p99_9": "Latency", "memory": "Memory"}
    for file, title in names.items():
        text += f"\n![{title}](../generated/{file}.svg)\n"
    chinese = text
    for english, translated in _CHINESE.items():
        chinese = chinese.replace(english, translated)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bench.en.md").write_text(text, encoding="utf-8")
        (folder / "bench.zh.md").write_text(chinese, encoding="utf-8")
    except OSError as error:
        raise GraderTrouble(f"cannot write to {folder}: {error.strerror}") from error


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rows(comparison: Comparison, model: int) -> list[Row]:
    return [row for row in comparison.rows if row.model == model]


def _tables(comparison: Comparison) -> list[_Columns]:
    """Throughput, latency and costs; with few clients, and with as many as were tried."""
    many = max(comparison.curve(), default=1)
    return [
        [
            ("of the\nfloor", lambda row: _plain(row, "floor_share", form=".2f")),
            ("1 client\n1/s", lambda row: _count(row, "round_trips", 1)),
            (f"{many} clients\n1/s", lambda row: _count(row, "round_trips", many)),
            ("connections\n1/s", lambda row: _count(row, "connections")),
            ("large\nMB/s", lambda row: _plain(row, "transfer", factor=1e-6)),
        ],
        [
            ("µs: p50, p99, p99.9\n1 client", lambda row: _latency(row, "latency", 1)),
            (f"the same\n{many} clients", lambda row: _latency(row, "latency", many)),
            ("the same\nfixed schedule", lambda row: _latency(row, "scheduled")),
        ],
        [
            ("KiB a\nclient", lambda row: _plain(row, "memory", factor=1 / 1024)),
            ("switches\na trip", lambda row: _plain(row, "switches", many, ".2f")),
            ("CPU µs\na trip", lambda row: _plain(row, "processor", many, ".1f", 1e-3)),
            ("first byte\nwhile one holds on", _first_byte),
            ("beside\na slow one", lambda row: _plain(row, "beside_slow", form=".2f")),
        ],
    ]


def _plain(
    row: Row, figure: str, clients: int | None = None, form: str = ",.0f", factor: float = 1
) -> str:
    value = row.median(figure, clients)
    if value is None and clients:  # who serves one at a time has figures for one only
        value = row.median(figure, 1)
    return "–" if value is None else format(value * factor, form)


def _count(row: Row, figure: str, clients: int | None = None) -> str:
    value = row.median(figure, clients)
    if value is None:
        return "–"
    spread = next(f.spread for k, f in row.figures.items() if k.figure == figure and k.clients == clients)
    return f"{value:,.0f} ±{spread / 2:.0%}"


def _latency(row: Row, figure: str, clients: int | None = None) -> str:
    values = [row.median(f"{figure}_{name}", clients) for name in ("p50", "p99", "p99.9")]
    return "–" if None in values else " ".join(f"{value / 1000:,.0f}" for value in values if value)


def _first_byte(row: Row) -> str:
    value = row.median("first_byte")
    if value is None:
        return "–"
    held = value > 50e6
    return "waits for it" if held else f"{value / 1e6:,.1f} ms"


def standings(comparison: Comparison) -> list[str]:
    """Who is ahead, a line for each figure in which ours and the best peer can be compared."""
    return [_standing(found) for found in comparison.standings()]


_NAMES = {
    "round_trips": "round trips",
    "connections": "connections a second",
    "transfer": "large messages",
    "memory": "memory per client",
}


def _standing(found: Standing) -> str:
    what = _NAMES[found.key.figure]
    if found.key.clients:
        what += f", {found.key.clients} client" + ("s" if found.key.clients > 1 else "")
    with_word = {"level": "level with", "ahead": "ahead of", "behind": "behind"}[found.word]
    return f"{found.ours} is {with_word} {found.peer} in {what}: {found.ratio:.2f} ±{found.spread:.2f} times as good"


def remarks(comparison: Comparison) -> list[str]:
    """What was measured on what, what could not be, and how far to trust it."""
    lines = []
    if comparison.floor.samples:
        lines.append(
            f"the floor: {comparison.floor.median:,.0f} round trips a second "
            f"±{comparison.floor.spread / 2:.0%}, two threads on one processor; "
            f"{comparison.machine['processor']}, {comparison.machine['processors']} processors"
        )
    if noise := comparison.noise():
        lines.append(f"too noisy to trust: {noise}; end other programs, or measure with more --repeat")
    for row in comparison.rows:
        lines += [f"{row.name}: not measured: {problem}" for problem in row.problems]
    lines += [f"left out: {reason}" for reason in comparison.absent]
    return lines
