"""The chapters of a server.cpp, and servers assembled from the chapters of two files.

Needs the standard library only: Meson runs it while building.
"""

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"\s*//\s*#(region|endregion)\s+step-(\d+)\s*$")


class RegionError(Exception):
    """The markers of a file's chapters are missing, doubled or out of order."""


@dataclass(frozen=True)
class Region:
    """One chapter: its lines between the markers; `first_line` counts from 1."""

    step: int
    first_line: int
    lines: tuple[str, ...]


def scan(path: Path, text: str | None = None) -> tuple[dict[int, Region], list[str]]:
    """The chapters of `path` whose markers are whole, and in one line each what is wrong with the others.

    Reads the file unless its `text` is given. Raises OSError.
    """
    regions: dict[int, Region] = {}
    problems: list[str] = []
    ambiguous: set[int] = set()
    opened: tuple[int, int] | None = None
    if text is None:
        text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not (mark := _MARK.match(line)):
            continue
        kind, step = mark[1], int(mark[2])
        if kind == "region":
            if opened:
                problems.append(f"{path}:{number}: step {step} begins inside step {opened[0]}")
            if step in regions:
                problems.append(f"{path}:{number}: step {step} begins a second time")
                ambiguous.add(step)
            elif regions and step < max(regions):
                problems.append(f"{path}:{number}: step {step} stands behind step {max(regions)}")
            opened = (step, number)
            continue
        if opened and opened[0] == step:
            regions[step] = Region(step, opened[1] + 1, tuple(lines[opened[1] : number - 1]))
        else:
            problems.append(f"{path}:{number}: step {step} ends here, but it did not begin")
        opened = None
    if opened:
        problems.append(f"{path}:{opened[1]}: step {opened[0]} begins here and never ends")
    return {step: region for step, region in regions.items() if step not in ambiguous}, problems


def read_regions(path: Path) -> dict[int, Region]:
    """The chapters of `path` by step, in order. Raises RegionError, OSError."""
    regions, problems = scan(path)
    if problems:
        raise RegionError(problems[0])
    return regions


def includes(path: Path) -> list[str]:
    """The #include lines of `path`, as they stand. Raises OSError."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if re.match(r"\s*#\s*include\b", line)]


def assemble(frame: Path, other: Path, from_other: Collection[int], without: Collection[int]) -> str:
    """The source `frame`, with the chapters `from_other`, and the headers they may need, taken from `other`.

    Of `other`, only those chapters have to be whole. #line directives keep the compiler's messages,
    and debuggers, at the files they come from. Raises RegionError, OSError.
    """
    own, others = read_regions(frame), scan(other)[0]
    lines = frame.read_text(encoding="utf-8").splitlines()
    known = includes(frame)
    text = [line for line in includes(other) if line not in known]
    text.append(f'#line 1 "{frame}"')
    position = 1
    for step, region in own.items():
        text += lines[position - 1 : region.first_line - 1]
        position = region.first_line + len(region.lines)
        if step in without:
            chosen: list[str] = []
        elif step in from_other:
            if step not in others:
                raise RegionError(f"{other}: the markers of step {step} are missing")
            chosen = [f'#line {others[step].first_line} "{other}"', *others[step].lines]
        else:
            chosen = list(region.lines)
        text += [*chosen, f'#line {position} "{frame}"']
    return "\n".join(text + lines[position - 1 :]) + "\n"


def main() -> int:
    """regions.py FRAME OTHER FROM_OTHER WITHOUT OUT: steps as 3,4,5, - for none, all for OTHER's."""
    frame, other, from_other, without, out = sys.argv[1:]
    try:
        if from_other == "all":
            from_other = ",".join(map(str, read_regions(Path(other)))) or "-"
        steps = [[int(n) for n in text.split(",") if n != "-"] for text in (from_other, without)]
        text, written = assemble(Path(frame), Path(other), *steps), Path(out)
        # What has not changed is not compiled again.
        if not written.exists() or written.read_text(encoding="utf-8") != text:
            written.write_text(text, encoding="utf-8")
    except RegionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
