"""The proof table: how often the grader was right about servers whose verdict is known."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from echolab.bench import machine
from echolab.known import Verdict
from echolab.output import write_whole
from echolab.prove import Proof

_COUNTED = {
    Verdict.MISSED: "missed",
    Verdict.WRONG_REASON: "wrong reason",
    Verdict.FALSE_ALARM: "false alarm",
    Verdict.TROUBLE: "trouble",
}
_HEAD = ["lesson", "servers", "runs", "right", *_COUNTED.values(), "changed", "s"]
_CHINESE_HEAD = "课 服务器 评分次数 正确 漏判 理由不对 误报 评分器故障 结果不一 秒".split()
_CHINESE_KINDS = {"wrong": "错误的", "right": "正确的", "all": "合计"}
# How the machine was kept busy; and what stands above the table in English and Chinese.
_TITLES = {
    "": ("With nothing else to do", "机器空闲时"),
    "busy": ("With every processor busy", "每个处理器都忙时"),
    "half": ("With half of one processor for all", "全部只有半个处理器时"),
}


def table(proofs: Sequence[Proof]) -> list[list[str]]:
    """The rows: one for the wrong and one for the right servers of each lesson, and the sum."""
    rows = []
    for lesson in sorted({proof.server.lesson.number for proof in proofs}):
        for kind, is_wrong in (("wrong", True), ("right", False)):
            some = [p for p in proofs if (p.server.lesson.number, p.server.is_wrong) == (lesson, is_wrong)]
            if some:
                rows.append([f"{lesson} {kind}", *_figures(some)])
    rows.append(["all", *_figures(proofs)])
    return rows


def _figures(proofs: Sequence[Proof]) -> list[str]:
    count = {verdict: sum(proof.verdicts[verdict] for proof in proofs) for verdict in Verdict}
    figures = [len(proofs), sum(count.values()), count[Verdict.RIGHT], *(count[v] for v in _COUNTED)]
    figures += [sum(proof.changed for proof in proofs), round(sum(proof.seconds for proof in proofs))]
    return [f"{figure:,}" for figure in figures]


def write(proofs: Sequence[Proof], console: Console) -> None:
    """The table, and below it each server about which the grader was not always right."""
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for number, name in enumerate(_HEAD):
        grid.add_column(name.replace(" ", "\n"), justify="right" if number else "left", no_wrap=True)
    for row in table(proofs):
        grid.add_row(*row)
    console.print(grid)
    for proof in proofs:
        if proof.is_right and not proof.changed:
            continue
        counts = ", ".join(f"{verdict.value} {count}" for verdict, count in proof.verdicts.items())
        console.print(Text(f"{proof.server.id}: {counts}", "red" if not proof.is_right else "yellow"))
        for account in proof.accounts[:2]:
            console.print(Text(account), soft_wrap=True)


def markdown(proofs: Sequence[Proof]) -> str:
    """The table as Markdown."""
    return _markdown(_HEAD, table(proofs))


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_docs(proofs: Sequence[Proof], stress: str | None, command: str, seconds: float | None, folder: Path) -> None:
    """Writes what the docs include, proof.en.md and proof.zh.md: this table, and those that were made
    under other stress, which proof.json keeps. `seconds` is how long that took, if it was done in one go.
    Raises NotWritable."""
    kept = folder / "proof.json"
    tables = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    here = machine()
    tables[stress or ""] = {
        "rows": table(proofs),
        "command": command,
        "date": date.today().isoformat(),
        "minutes": None if seconds is None else round(seconds / 60),
        "machine": f"{here['processor']}, {here['processors']} processors, Linux {here['kernel']}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(kept, json.dumps(tables, indent=1) + "\n")
    write_whole(folder / "proof.en.md", "\n".join(_english(how, tables[how]) for how in _TITLES if how in tables))
    write_whole(folder / "proof.zh.md", "\n".join(_chinese(how, tables[how]) for how in _TITLES if how in tables))


def _english(stress: str, made: dict) -> str:
    took = f", {made['minutes']} minutes" if made["minutes"] is not None else ""
    said = f"`{made['command']}` on {made['date']}{took}, on {made['machine']}."
    return f"**{_TITLES[stress][0]}**\n\n{_markdown(_HEAD, made['rows'])}\n{said}\n"


def _chinese(stress: str, made: dict) -> str:
    rows = [[" ".join(_CHINESE_KINDS.get(word, word) for word in row[0].split()), *row[1:]] for row in made["rows"]]
    took = f"用时 {made['minutes']} 分钟，" if made["minutes"] is not None else ""
    said = f"{made['date']}，`{made['command']}`，{took}机器：{made['machine']}。"
    return f"**{_TITLES[stress][1]}**\n\n{_markdown(_CHINESE_HEAD, rows)}\n{said}\n"
