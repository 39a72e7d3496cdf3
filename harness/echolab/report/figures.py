"""A Comparison as tables: on the terminal, and in Markdown for the docs."""

from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from echolab.comparison import NOISE, Comparison, Row, Standing
from echolab.verdict import GraderTrouble

_Cell = Callable[[Row], str]
_Columns = list[tuple[str, _Cell]]
_Say = Callable[[str], str]  # a text or a pattern of this module, in another language


def write(comparison: Comparison, console: Console) -> None:
    """The tables of each model, who is ahead, and what there is to doubt."""
    for model, title in comparison.models.items():
        console.print(Text(f"Lesson {model}, {title}", "bold"))
        for columns in _tables(comparison):
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
            table.add_column("server", no_wrap=True)
            for heading, _ in columns:
                table.add_column(heading.format(_most(comparison)), justify="right", no_wrap=True)
            for row in _rows(comparison, model):
                cells = [cell(row) for _, cell in columns]
                table.add_row(Text(row.name, "bold" if row.ours else ""), *cells)
            console.print(table)
            console.print()
    for line in standings(comparison):
        console.print(line, style="yellow" if " behind " in line else "", soft_wrap=True)
    for line in remarks(comparison):
        console.print(line, style="yellow", soft_wrap=True)


def markdown(comparison: Comparison, say: _Say = str) -> str:
    """The same tables and remarks, for a page that includes them."""
    lines: list[str] = []
    for model, title in comparison.models.items():
        lines += [say("**Lesson {}, {}**").format(model, say(title)), ""]
        for columns in _tables(comparison):
            headings = [say(heading).format(_most(comparison)).replace("\n", " ") for heading, _ in columns]
            lines.append(_line([say("server"), *headings]))
            lines.append(_line(["---"] + ["---:"] * len(columns)))
            for row in _rows(comparison, model):
                name = f"**{row.name}**" if row.ours else row.name
                lines.append(_line([name, *(say(cell(row)) for _, cell in columns)]))
            lines.append("")
    lines += [f"- {line}" for line in [*standings(comparison, say), *remarks(comparison, say)]]
    for file, title in _PLOTS.items():
        lines += ["", f"![{say(title)}](../generated/{file}.svg)"]
    return "\n".join(lines) + "\n"


_GENERATOR = (
    "the load generator at its highest rate, {:,.0f} a second: {:.0%} of the processor time that it and the server "
    "used, {:.0%} in its own code and the rest in the kernel"
)
_PLOTS = {"round_trips": "Round trips a second", "latency_p99_9": "Latency", "memory": "Memory"}
_CHINESE = {
    "**Lesson {}, {}**": "**第 {} 课：{}**", "single process": "单进程", "multi process": "多进程",
    "multi thread": "多线程", "thread pool": "线程池", "server": "服务器",
    "of the\nfloor": "占下限的\n比例", "1 client\n1/s": "1 个客户端\n次/秒",
    "{} clients\n1/s": "{} 个客户端\n次/秒", "connections\n1/s": "连接\n个/秒", "large\nMB/s": "大消息\nMB/s",
    "µs: p50, p99, p99.9\n1 client": "µs：p50、p99、p99.9，\n1 个客户端",
    "the same\n{} clients": "同上，\n{} 个客户端", "the same\nfixed schedule": "同上，\n固定时间表",
    "KiB a\nclient": "每个客户端\nKiB", "switches\na trip": "每次往返\n切换", "CPU µs\na trip": "每次往返\n处理器 µs",
    "first byte\nwhile one holds on": "有人占着时的\n首字节", "beside\na slow one": "旁边有人\n从不读",
    "waits for it": "等它离开",
    "round trips": "往返", "round trips, {} client": "往返（{} 个客户端）", "round trips, {} clients": "往返（{} 个客户端）",
    "connections a second": "每秒连接数", "large messages": "大消息", "memory per client": "每个客户端的内存",
    "{ours} is level with {peer} in {what}: {ratio:.2f} times as good, {low:.2f} to {high:.2f}":
        "{what}：{ours} 与 {peer} 持平，是它的 {ratio:.2f} 倍（{low:.2f} 到 {high:.2f}）",
    "{ours} is ahead of {peer} in {what}: {ratio:.2f} times as good, {low:.2f} to {high:.2f}":
        "{what}：{ours} 领先于 {peer}，是它的 {ratio:.2f} 倍（{low:.2f} 到 {high:.2f}）",
    "{ours} is behind {peer} in {what}: {ratio:.2f} times as good, {low:.2f} to {high:.2f}":
        "{what}：{ours} 落后于 {peer}，是它的 {ratio:.2f} 倍（{low:.2f} 到 {high:.2f}）",
    "the floor: {:,.0f} round trips a second ±{:.0%}, two threads on one processor; {}, {} processors":
        "下限：每秒 {:,.0f} 次往返 ±{:.0%}，两个线程在同一个处理器上；{}，{} 个处理器",
    _GENERATOR:
        "负载发生器在它最高的速率下（每秒 {:,.0f} 次）占它和服务器所用处理器时间的 {:.0%}，其中自己的代码占 {:.0%}，其余在内核里",
    "too noisy to trust: {}; end other programs, or measure with more --repeat":
        "噪声太大，不可信（{}）：请结束其他程序，或加大 --repeat 再测",
    NOISE[0]: "测下限时，其他程序占了处理器的 {:.0%}",
    NOISE[1]: "下限本身起伏太大，只能确定到 ±{:.0%}",
    NOISE[2]: "数字起伏太大，其中一半最多只能确定到 ±{:.0%}",
    "{}: not measured: {}": "{}：未测到：{}", "left out: {}": "未参加：{}",
    "Round trips a second": "每秒往返次数", "Latency": "延迟", "Memory": "内存",
}  # fmt: skip


def write_docs(comparison: Comparison, folder: Path) -> None:
    """Writes what the docs include, bench.en.md and bench.zh.md. Raises GraderTrouble."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bench.en.md").write_text(markdown(comparison), encoding="utf-8")
        chinese = markdown(comparison, lambda text: _CHINESE.get(text, text))
        (folder / "bench.zh.md").write_text(chinese, encoding="utf-8")
    except OSError as error:
        raise GraderTrouble(f"cannot write to {folder}: {error.strerror}") from error


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rows(comparison: Comparison, model: int) -> list[Row]:
    return [row for row in comparison.rows if row.model == model]


def _most(comparison: Comparison) -> int:
    """The largest number of clients that was tried."""
    return max(comparison.curve(), default=1)


def _tables(comparison: Comparison) -> list[_Columns]:
    """Throughput, latency and costs; with few clients, and with as many as were tried."""
    many = _most(comparison)
    return [
        [
            ("of the\nfloor", lambda row: _plain(row, "floor_share", form=".2f")),
            ("1 client\n1/s", lambda row: _count(row, "round_trips", 1)),
            ("{} clients\n1/s", lambda row: _count(row, "round_trips", many)),
            ("connections\n1/s", lambda row: _count(row, "connections")),
            ("large\nMB/s", lambda row: _plain(row, "transfer", factor=1e-6)),
        ],
        [
            ("µs: p50, p99, p99.9\n1 client", lambda row: _latency(row, "latency", 1)),
            ("the same\n{} clients", lambda row: _latency(row, "latency", many)),
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


def standings(comparison: Comparison, say: _Say = str) -> list[str]:
    """Who is ahead, a line for each figure in which ours and the best peer can be compared."""
    return [_standing(found, say) for found in comparison.standings()]


_NAMES = {
    "round_trips": "round trips",
    "connections": "connections a second",
    "transfer": "large messages",
    "memory": "memory per client",
}


def _standing(found: Standing, say: _Say) -> str:
    what = _NAMES[found.key.figure]
    if found.key.clients:
        what += ", {} clients" if found.key.clients > 1 else ", {} client"
    with_word = {"level": "level with", "ahead": "ahead of", "behind": "behind"}[found.word]
    pattern = f"{{ours}} is {with_word} {{peer}} in {{what}}: {{ratio:.2f}} times as good, {{low:.2f}} to {{high:.2f}}"
    what = say(what).format(found.key.clients)
    return say(pattern).format(
        ours=found.ours, peer=found.peer, what=what, ratio=found.ratio, low=found.low, high=found.high
    )


def remarks(comparison: Comparison, say: _Say = str) -> list[str]:
    """What was measured on what, what could not be, and how far to trust it."""
    lines = []
    if comparison.floor.samples:
        machine = comparison.machine
        pattern = "the floor: {:,.0f} round trips a second ±{:.0%}, two threads on one processor; {}, {} processors"
        figures = (comparison.floor.median, comparison.floor.spread / 2)
        lines.append(say(pattern).format(*figures, machine["processor"], machine["processors"]))
    if generator := comparison.generator():
        lines.append(say(_GENERATOR).format(*generator))
    if noise := comparison.noise():
        pattern = "too noisy to trust: {}; end other programs, or measure with more --repeat"
        why, share = noise
        lines.append(say(pattern).format(say(why).format(share)))
    for row in comparison.rows:
        lines += [say("{}: not measured: {}").format(row.name, problem) for problem in row.problems]
    lines += [say("left out: {}").format(reason) for reason in comparison.absent]
    return lines
