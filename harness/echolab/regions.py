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


def read_regions(path: Path) -> dict[int, Region]:
    """The chapters of `path` by step, in order. Raises RegionError, OSError."""
    regions: dict[int, Region] = {}
    opened: tuple[int, int] | None = None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not (mark := _MARK.match(line)):
            continue
        kind, step = mark[1], int(mark[2])
        if kind == "region" and opened:
            raise RegionError(f"{path}:{number}: step {step} begins inside step {opened[0]}")
        if kind == "region" and regions and step <= max(regions):
            raise RegionError(f"{path}:{number}: step {step} stands behind step {max(regions)}")
        if kind == "endregion" and (not opened or opened[0] != step):
            raise RegionError(f"{path}:{number}: step {step} ends here, but it did not begin")
        if kind == "region":
            opened = (step, number)
        elif opened:
            regions[step] = Region(step, opened[1] + 1, tuple(lines[opened[1] : number - 1]))
            opened = None
    if opened:
        raise RegionError(f"{path}:{opened[1]}: step {opened[0]} begins here and never ends")
    return regions


def assemble(frame: Path, other: Path, from_other: Collection[int], without: Collection[int]) -> str:
    """The source `frame`, with the chapters `from_other` taken from the file `other`.

    #line directives keep the compiler's messages, and debuggers, at the files they come from.
    """
    own, others = read_regions(frame), read_regions(other)
    lines = frame.read_text(encoding="utf-8").splitlines()
    text = [f'#line 1 "{frame}"']
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
        Path(out).write_text(assemble(Path(frame), Path(other), *steps), encoding="utf-8")
    except RegionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
