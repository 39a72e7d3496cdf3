"""The solution with one chapter taken from the student, made of two objects: nothing is compiled again.

Each whole server.cpp is compiled so that any of its functions can be replaced when it is linked: a call of one
that another file may define as well is not inlined (gcc's -fPIC, clang's -fsemantic-interposition). Of two
definitions the linker takes the one that is not weak (man 1 ld); which is weak, objcopy says.

Needs the standard library only: it runs where the compiler does, in a sandbox too.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

MADE = ("mine.o", "rest.o")  # what the new objects are called
_UNSUITABLE = 3  # exit code
# What runs before main(), or after it, whichever chapter it stands in.
_UNASKED = r"\.(?:init_array|fini_array|preinit_array|ctors|dtors)\b\S*\s+([0-9a-f]+)"


class Unsuitable(Exception):
    """The objects are no basis for this; the text says why. The chapter has to be compiled by itself."""


def script(
    program: Path, functions: Sequence[str], mine: Path, rest: Path, folder: Path, link: Sequence[str], object: str
) -> str:
    """For a shell: relinks into `folder`. `program` is this file, or a copy. See relink(), with_objects(), and
    main() for the exit code."""
    made = [str(folder / name) for name in MADE]
    words = [sys.executable, "-P", str(program), ",".join(functions), str(mine), str(rest), *made]
    return f"{shlex.join(words)} && {shlex.join(with_objects(link, object, made))}"


def with_objects(link: Sequence[str], object: str, made: Sequence[str]) -> list[str]:
    """The command `link` with others in place of its one `object`. The student's come first: of what both have
    in a group of sections, the linker keeps the first."""
    at = link.index(object)
    return [*link[:at], *made, *link[at + 1 :]]


def is_unsuitable(code: int) -> bool:
    """Whether that is what the exit code of a script() says."""
    return code == _UNSUITABLE


def relink(functions: Collection[str], mine: str, rest: str, to_mine: str, to_rest: str) -> None:
    """Writes both objects anew, so that linked together `functions` are those of `mine`, and all else that both
    define is of `rest`. Raises Unsuitable, and CalledProcessError.
    """
    strong, named = _strong(rest), _names(rest)
    chapter = {symbol for symbol in strong if named[symbol].partition("(")[0] in functions}
    own = _strong(mine)
    if absent := sorted(named[symbol] for symbol in chapter - own):
        raise Unsuitable(f"{', '.join(absent)}: not defined as a function that can be replaced")
    if taken := (own - strong) & _undefined(rest):
        raise Unsuitable(f"{', '.join(sorted(taken))}: replaces what everybody uses")
    if _unasked(mine) > _unasked(rest):
        raise Unsuitable("something runs before main()")
    _weaken(mine, strong - chapter, to_mine)
    _weaken(rest, chapter, to_rest)


def _strong(object: str) -> set[str]:
    """The functions and variables that `object` defines for all, and nobody else may."""
    return {name for kind, name in _symbols(object, "--defined-only") if kind in "TDBRGSA"}


def _undefined(object: str) -> set[str]:
    return {name for _, name in _symbols(object, "--undefined-only")}


def _names(object: str) -> dict[str, str]:
    """What the source calls each of its symbols."""
    listed = [[name for _, name in _symbols(object, "--defined-only", *more)] for more in ([], ["--demangle"])]
    return dict(zip(*listed, strict=True))


def _symbols(object: str, *options: str) -> list[tuple[str, str]]:
    """Kind and name (man 1 nm) of its global symbols, in the order of its table."""
    lines = _run("nm", "--extern-only", "--no-sort", *options, object).splitlines()
    return [(kind, name) for kind, name in (line[17:].split(" ", 1) for line in lines)]


def _unasked(object: str) -> int:
    """The size of all that lists what is called without being asked for."""
    return sum(int(size, 16) for size in re.findall(_UNASKED, _run("objdump", "--section-headers", object)))


def _weaken(object: str, symbols: Collection[str], to: str) -> None:
    _run("objcopy", *(f"--weaken-symbol={symbol}" for symbol in sorted(symbols)), object, to)


def _run(*command: str) -> str:
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> int:
    """relink.py FUNCTIONS MINE REST TO_MINE TO_REST; FUNCTIONS as A::b,c. 3 if that cannot be done."""
    functions, *files = sys.argv[1:]
    try:
        relink(functions.split(","), *files)
    except Unsuitable as error:
        print(error, file=sys.stderr)
        return _UNSUITABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
