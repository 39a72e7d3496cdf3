"""The short form of harness/lab prove, which is the whole proof.

A few wrong servers that together fail every check that any wrong server fails, each graded once, by
the steps that it must fail. It does not show what `prove` does: that the other wrong servers are
caught, that each fails nothing else, and that it is the same in every run and on a busy machine.
"""

import re
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from echolab import build, course
from echolab.coverage import fewest, unproven
from echolab.explaining import SWITCH
from echolab.known import Verdict, catalogue
from echolab.prove import Proof, Record, Run, prove
from echolab.report import proof
from echolab.verdict import GraderTrouble

FEW = fewest(catalogue())


@pytest.fixture(scope="session")
def proofs(request: pytest.FixtureRequest) -> dict[str, Proof]:
    """All that are asked for, graded side by side."""
    items = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    chosen = {item.callspec.params["id"] for item in items}  # type: ignore[attr-defined]
    return {p.server.id: p for p in prove([s for s in FEW if s.id in chosen], short=True)}


@pytest.mark.parametrize("id", [server.id for server in FEW])
def test_a_wrong_server_is_caught_for_its_reason(proofs: dict[str, Proof], id: str) -> None:
    assert proofs[id].is_right, "\n".join(proofs[id].accounts)


def test_no_check_is_without_a_wrong_server() -> None:
    assert unproven(catalogue()) == []


def test_a_proof_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, record = catalogue()[0], tmp_path / "runs"

    def proven(runs: int, stress: str | None = None) -> Counter[Verdict]:
        return prove([server], runs=runs, stress=stress, record=record)[0].verdicts

    kept = Record(record, None, False)
    for verdict in (Verdict.RIGHT, Verdict.MISSED):
        kept.add(server, Run(verdict, "what was seen", frozenset(), 1.0))
    assert proven(2) == {Verdict.RIGHT: 1, Verdict.MISSED: 1}  # nothing is graded
    with open(record, "a", encoding="utf-8") as file:
        file.write('{"of": "half a li')
    assert proven(3) == {Verdict.RIGHT: 2, Verdict.MISSED: 1}  # one is
    assert proven(3) == {Verdict.RIGHT: 2, Verdict.MISSED: 1}
    assert not Record(record, "busy", False).runs(server)
    with monkeypatch.context() as context:
        context.setenv(SWITCH, "1")
        assert not Record(record, None, False).runs(server)
    monkeypatch.setattr(build, "digest", lambda *_: "another grader")
    assert not Record(record, None, False).runs(server)
    record.write_text("no record\n", encoding="utf-8")
    with pytest.raises(GraderTrouble, match="is no record of a proof"):
        proven(1)


@pytest.fixture
def many() -> list[Proof]:
    """What could come of a proof with 20 runs."""
    return [Proof(server, Counter({Verdict.RIGHT: 19, Verdict.MISSED: 1}), seconds=200) for server in catalogue()]


def test_the_table_fits_a_terminal(many: list[Proof]) -> None:
    printed = StringIO()
    proof.write(many, Console(file=printed, width=80))
    lines = [line.strip() for line in printed.getvalue().splitlines() if re.match(r"\d (wrong|right)|all", line)]
    assert len(lines) == 2 * len(course.lessons()) + 1
    assert all(re.fullmatch(r"(\d )?\w+( +[\d,]+){9}", line) for line in lines)


def test_the_docs_have_a_table_for_each_stress_in_both_languages(many: list[Proof], tmp_path: Path) -> None:
    for stress in ("half", None):
        proof.write_docs(many, stress, f"harness/lab prove --stress {stress}", 5400, tmp_path)
    for language, words in {"en": ("1 wrong", "90 minutes"), "zh": ("1 错误的", "90 分钟")}.items():
        text = (tmp_path / f"proof.{language}.md").read_text(encoding="utf-8")
        assert all(text.count(word) == 2 for word in words) and text.count("| --- |") == 2
        assert text.index("--stress None") < text.index("--stress half")
    proof.write_docs(many, "half", "harness/lab prove --stress half", None, tmp_path)
    texts = [(tmp_path / f"proof.{language}.md").read_text(encoding="utf-8") for language in ("en", "zh")]
    assert [text.count(word) for text, word in zip(texts, ("minutes", "分钟"), strict=True)] == [1, 1]
