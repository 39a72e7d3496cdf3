"""The solution with the chapters that a wrong server has of its own: assemble.py SOLUTION MUTANT OUT."""

import re
import sys
from pathlib import Path

_CHAPTER = re.compile(r"^(// #region step-(\d+)\n)(.*?)^// #endregion step-\2$", re.MULTILINE | re.DOTALL)


def assemble(solution: Path, mutant: Path) -> str:
    """The source of the wrong server; #line directives name the files that its lines come from."""
    right, wrong = (path.read_text(encoding="utf-8") for path in (solution, mutant))
    bodies = {
        found[2]: f'#line {_line(wrong, found.start(3))} "{mutant}"\n{found[3]}'
        for found in _CHAPTER.finditer(wrong)
    }
    text, position = f'#line 1 "{solution}"\n', 0
    for found in _CHAPTER.finditer(right):
        if body := bodies.pop(found[2], None):
            text += right[position : found.start(3)] + body
            position = found.end(3)
            text += f'#line {_line(right, position)} "{solution}"\n'
    if bodies or not position:
        sys.exit(f"{mutant}: it has no chapter of its own, or one that {solution} lacks")
    return text + right[position:]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(assemble(Path(sys.argv[1]), Path(sys.argv[2])), encoding="utf-8")
