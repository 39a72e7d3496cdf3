"""The proof table: how often the grader was right about servers whose verdict is known."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from echolab.known import Verdict
from echolab.prove import Proof

_COUNTED = {
    Verdict.MISSED: "missed",
    Verdict.WRONG_REASON: "wrong reason",
    Verdict.FALSE_ALARM: "false alarm",
    Verdict.TROUBLE: "trouble",
}


def table(proofs: Sequence[Proof]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows: one for the wrong and one for the right servers of each lesson, and the sum."""
    head = ["lesson", "servers", "runs", "right", *_COUNTED.values(), "changed", "s"]
    rows = []
    for lesson in sorted({proof.server.lesson.number for proof in proofs}):
        for kind, is_wrong in (("wrong", True), ("right", False)):
            some = [p for p in proofs if (p.server.lesson.number, p.server.is_wrong) == (lesson, is_wrong)]
            if some:
                rows.append([f"{lesson} {kind}", *_figures(some)])
    rows.append(["all", *_figures(proofs)])
    return head, rows


def _figures(proofs: Sequence[Proof]) -> list[str]:
    count = {verdict: sum(proof.verdicts[verdict] for proof in proofs) for verdict in Verdict}
    figures = [len(proofs), sum(count.values()), count[Verdict.RIGHT], *(count[v] for v in _COUNTED)]
    figures += [sum(proof.changed for proof in proofs), round(sum(proof.seconds for proof in proofs))]
    return [f"{figure:,}" for figure in figures]


def write(proofs: Sequence[Proof], console: Console) -> None:
    """The table, and below it each server about which the grader was not always right."""
    head, rows = table(proofs)
    grid = Table(*head)
    for row in rows:
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
    """The table as the docs include it."""
    head, rows = table(proofs)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
