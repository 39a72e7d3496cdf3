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


_KEYWORDS = frozenset(
    "alignas alignof auto bool break case catch char class const constexpr continue default delete do double else enum "
    "explicit extern false final float for goto if inline int long mutable namespace new noexcept nullptr override private "
    "protected public return short signed sizeof static struct switch this thread_local throw true try typedef typename "
    "union unsigned virtual void volatile while".split()
)
# At the top of a chapter they may mean something for others that do not name it.
_WIDE = frozenset(("asm", "concept", "export", "import", "module", "operator", "template", "using", "_Pragma", "#"))
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\bR"(?P<raw>[^\s()\\]{0,16})\(.*?\)(?P=raw)"|"(?:\\.|[^"\\\n])*"|\d[\w.']*"""
    r"""|'(?:\\.|[^'\\\n])*'|(?P<token>[^\W\d]\w*|[{};#()*&])""",
    re.DOTALL,
)


def stands_alone(path: Path, step: int, headers: Collection[Path], functions: Collection[str]) -> bool:
    """Whether the chapter names nothing that the rest of its file introduces, apart from what `headers` do, and
    from `functions` ("take", "SlotTable::take").

    By its words alone: where that is not certain, False. Raises OSError.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    region = scan(path, text)[0].get(step)
    if not region:
        return False
    lines = text.splitlines()
    end = region.first_line - 1 + len(region.lines)
    rest = (*lines[: region.first_line - 1], *lines[end:])
    introduced = _at_the_top([line for line in rest if not re.match(r"\s*#\s*include\b", line)])
    known = _KEYWORDS.union(*(name.split("::") for name in functions))
    known |= _at_the_top([line for header in headers for line in header.read_text(encoding="utf-8").splitlines()])
    return not introduced & _WIDE and not (introduced - known) & set(_tokens(region.lines))


def _tokens(lines: Collection[str]) -> list[str]:
    """Words and some punctuation, without comments and literals."""
    text = "\n".join(lines).replace("\\\n", "")
    return [found["token"] for found in _TOKEN.finditer(text) if found["token"]]


def _at_the_top(lines: Collection[str]) -> set[str]:
    """The words outside of the bodies of functions and classes, and of parameter lists; and #, if there is one."""
    tokens = _tokens(lines)
    found: set[str] = set()
    declaration: list[str] = []
    inside: list[bool] = []  # for each open brace or parenthesis, whether the words in it belong to it alone
    for token, following in zip(tokens, [*tokens[1:], ""]):
        if token == "{":
            inside.append(not {"namespace", "enum", "extern"} & {*declaration})
        elif token == "(":
            before = declaration[-1] if declaration else ""
            names_a_function = before.isidentifier() and before not in _KEYWORDS and following not in ("*", "&", "(")
            inside.append(names_a_function)
        elif token in ("}", ")"):
            if inside:
                inside.pop()
        elif token == "#" or not any(inside):  # a macro knows no braces
            found.add(token)
        declaration = [] if token in "{};" else [*declaration, token]
    return found - {*";*&"}


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
