"""The kit: all that a submission's compiler may see of this project, and how it is called.

build/kit mirrors the given headers and libraries, and nothing else: no check, no solution. A server is
built from somebody's server.cpp with the very commands that Meson has for the lesson's own. The lesson's
header, most of what is to be compiled, is there in GCC's precompiled form as well.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from echolab import build, sanitizers
from echolab import relink as relinking
from echolab.apart import processors
from echolab.build import DIRECTORY, CompileError
from echolab.course import ROOT, Lesson, Step, lessons
from echolab.sandbox import MIB, Sandbox, building_uid, hand_over
from echolab.verdict import GraderTrouble
from echolab.warden import Warden

KIT = DIRECTORY / "kit"
_COMPILING = {"memory": 2048 * MIB, "processor": 100, "file": 256 * MIB, "scratch": 256 * MIB}
_LONGEST_BUILD = 600  # seconds, for a compiler that waits for what never comes


@dataclass(frozen=True)
class Recipe:
    """How one server is built: commands with {source}, {object} and {binary} to fill in."""

    compile: tuple[str, ...]
    link: tuple[str, ...]

    def script(self, **files: Path | str) -> str:
        """For a shell: compile, then link."""
        return " && ".join(
            shlex.join(word.format(**files) for word in words) for words in (self.compile, self.link)
        )


@cache
def prepare(precompiled: tuple[int, ...] = ()) -> None:
    """Brings the kit up to date, once for any number of submissions. Raises GraderTrouble.

    The headers of the lessons `precompiled` are so as well: 25 to 70 MB for each server that is built of one,
    which are worth it from a few submissions on.
    """
    build.configure()
    recipes, libraries = {}, set()
    for name in _names():
        recipe, needed = _recipe(build.commands(name))
        recipes[name] = asdict(recipe)
        libraries |= needed
    build.build(build.WARDEN, build.WITNESS, *libraries, *(path for lesson in lessons() for path in _solutions(lesson)))
    headers = [lesson.source().with_name("server.hpp") for lesson in lessons()]
    headers += (ROOT / "lessons" / "common").glob("*.hpp")
    # Meson's libraries are thin: they name their objects, which lie in a folder beside them.
    objects = [file for path in libraries for file in Path(f"{path}.p").glob("*.o")]
    for path in [*headers, *libraries, *objects]:
        _put(KIT / path.relative_to(ROOT), path.read_bytes())
    _put(KIT / "recipes.json", json.dumps(recipes, indent=1).encode())
    with ThreadPoolExecutor(processors()) as pool:
        list(pool.map(lambda whole: _precompile(*whole, whole[0].number in precompiled), _wholes()))
    for folder, _, _ in os.walk(KIT):
        os.chmod(folder, 0o755)  # whoever compiles may be a user who has no part in our files


def _solutions(lesson: Lesson) -> list[Path]:
    """The finished server, and those with sanitizers that there are."""
    wanted = [build.whole(lesson, True, kind) for kind in (None, *sanitizers.NAMES)]
    return [path for path in wanted if str(path.relative_to(DIRECTORY)) in build.targets()]


def _put(path: Path, content: bytes) -> None:
    """Changes a file in one step, and only if it differs: another grader may be at work with it."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(content)
    fresh.chmod(0o644)
    fresh.replace(path)


def _names() -> list[str]:
    """What is built of a submission, by Ninja's names: servers, and steps by themselves."""
    kinds = (None, *sanitizers.NAMES)
    alone = [build.alone(lesson, step, kind) for lesson in lessons() for step in lesson.steps for kind in kinds]
    names = [str(path.relative_to(DIRECTORY)) for path in alone]
    return [name for _, name in _wholes()] + [name for name in names if name in build.targets()]


def _wholes() -> list[tuple[Lesson, str]]:
    """The servers, with sanitizers and without, and whose they are."""
    kinds = (None, *sanitizers.NAMES)
    found = [(lesson, server(lesson, kind)) for lesson in lessons() for kind in kinds]
    return [(lesson, name) for lesson, name in found if name in build.targets()]


def server(lesson: Lesson, kind: str | None = None) -> str:
    """The target that is the lesson's server; with the sanitizer `kind`, if one is given."""
    return str(build.whole(lesson, False, kind).relative_to(DIRECTORY))


def _precompile(lesson: Lesson, name: str, wanted: bool) -> None:
    """The lesson's header as the target `name` needs it, if it is `wanted`; without it all goes as well, only slower.

    GCC looks through the folder beside the header for one that was made with the same options (info gcc,
    "Precompiled Headers"), but does not notice that a header has changed: so that stands in its name, and what
    was made of others goes.
    """
    header = (KIT / lesson.source().relative_to(ROOT)).with_name("server.hpp")
    compiler, *options = recipe_of(name).compile
    headers = sorted((KIT / "lessons").glob("*/*.hpp"))
    made_of = hashlib.sha256(b"\0".join([repr(options).encode(), _version(compiler), *(path.read_bytes() for path in headers)]))
    folder, kind = header.with_name(f"{header.name}.gch"), name.replace("/", "-")
    current = folder / f"{kind}.{made_of.hexdigest()[:16]}"
    for other in set(folder.glob(f"{kind}.*")) - {current}:
        other.unlink(missing_ok=True)
    if not wanted or current.exists():
        return
    fresh = header.with_name(f".{current.name}.{os.getpid()}")
    words = (word.format(source=header, object=fresh) for word in options if word not in ("-include", "server.hpp"))
    with suppress(OSError):  # a full disk, say
        folder.mkdir(exist_ok=True)
        if _quietly(compiler, "-x", "c++-header", *words).returncode == 0:
            fresh.chmod(0o644)
            fresh.replace(current)
    fresh.unlink(missing_ok=True)


@cache
def _version(compiler: str) -> bytes:
    return _quietly(compiler, "--version").stdout


def _quietly(*command: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _recipe(commands: list[str]) -> tuple[Recipe, set[Path]]:
    """The last of the commands that make a server, and the libraries that it is linked with."""
    link = shlex.split(commands[-1])
    binary = link[link.index("-o") + 1]
    object = next(word for word in link if word.endswith(".cpp.o"))
    compile = next(words for line in commands if object in (words := shlex.split(line)))
    libraries = {DIRECTORY / word for word in link if word.endswith(".a")}
    return (
        Recipe(
            tuple(_in_kit(compile, {object: "{object}", compile[compile.index("-c") + 1]: "{source}"})),
            tuple(_in_kit(link, {object: "{object}", binary: "{binary}"})),
        ),
        libraries,
    )


def _in_kit(words: list[str], names: dict[str, str]) -> list[str]:
    """A command with the kit's files for the tree's, and without what only Ninja needs."""
    found: list[str] = []
    skip = 1 if words[0].endswith("ccache") else 0
    for word in words:
        if skip or word in ("-MD", "-fdiagnostics-color=always", "-Winvalid-pch"):
            skip = max(0, skip - 1)
        elif word in ("-MQ", "-MF"):
            skip = 1
        elif word in ("-include", "-include-pch"):  # what Meson has precompiled
            found += ["-include", "server.hpp"]
            skip = 1
        elif word in names:
            found.append(names[word])
        elif word.startswith("-I"):
            path = Path(os.path.normpath(DIRECTORY / word[2:]))
            if not path.is_relative_to(DIRECTORY):
                found.append(f"-I{KIT / path.relative_to(ROOT)}")
        elif word.endswith(".a"):
            found.append(str(KIT / (DIRECTORY / word).relative_to(ROOT)))
        else:
            found.append(word)
    return found


@cache
def _recipes() -> dict[str, Recipe]:
    data = json.loads((KIT / "recipes.json").read_text(encoding="utf-8"))
    return {name: Recipe(**{part: tuple(words) for part, words in recipe.items()}) for name, recipe in data.items()}


def makes(name: str) -> bool:
    """Whether there is such a target."""
    return name in _recipes()


def recipe_of(name: str) -> Recipe:
    """How that target is built."""
    return _recipes()[name]


def compile(name: str, source: Path, shown: Sequence[Path], root: Path, sandbox: Sandbox | None) -> None:
    """Builds `source` as Meson builds its target `name`, into root/build. All it may include, besides
    the kit, are the folders `shown`; all paths are below `root`.

    Raises CompileError, and GraderTrouble where it is not the source's fault.
    """
    binary = root / "build" / name
    binary.parent.mkdir(parents=True, exist_ok=True)
    files = {"source": source.relative_to(root), "object": f"{binary}.o", "binary": binary}
    if sandbox and not sandbox.walls:
        for read in shown:
            hand_over(read, building_uid()).chmod(0o700)
    code, said = _run(recipe_of(name).script(**files), root, shown, [binary.parent], sandbox)
    if code == 0:
        return
    if code in (126, 127):
        raise GraderTrouble(f"a submission cannot be compiled here: {build.last_lines(said, 1)}")
    if shutil.disk_usage(root).free < 2 * _COMPILING["file"]:
        raise GraderTrouble(f"a submission cannot be compiled here: {root.parent} has too little room left")
    for folder in (KIT, root, ROOT):
        said = said.replace(f"{folder}/", "")
    raise CompileError(_limit(said) or build.first_errors(said.splitlines()) or build.last_lines(said))


def relink(name: str, whole: str, lesson: Lesson, step: Step, kind: str | None, root: Path, sandbox: Sandbox | None) -> bool:
    """Makes the target `name`, that step by itself, of the object of the target `whole`, which compile() has made,
    and the solution's; `kind` is the sanitizer of both. False if that cannot be done: see relink.relink().
    """
    binary, mine = root / "build" / name, root / "build" / f"{whole}.o"
    binary.parent.mkdir(parents=True, exist_ok=True)
    object = DIRECTORY / build.link_of(build.whole(lesson, True, kind))[1]
    # The solution is there for as long as this lasts, under a name that nobody can guess whose code is compiled.
    with tempfile.TemporaryDirectory(dir=root) as folder:
        program, rest = (Path(shutil.copy(path, folder)) for path in (relinking.__file__, object))
        link = [word.format(object=object, binary=binary) for word in recipe_of(name).link]
        script = relinking.script(program, step.functions, mine, rest, Path(folder), link, str(object))
        return _run(script, root, [mine.parent], [binary.parent, Path(folder)], sandbox)[0] == 0


def _run(
    script: str, root: Path, shown: Sequence[Path], written: Sequence[Path], sandbox: Sandbox | None
) -> tuple[int, str]:
    """What a shell script returns and prints that builds, in `root`; of the folders there it sees these."""
    if sandbox:
        for folder in written:
            hand_over(folder, building_uid())
        sandbox = sandbox.building().showing(KIT, *shown).writing(*written).within(**_COMPILING)
    warden = Warden(build.WARDEN, ["sh", "-c", f"cd {shlex.quote(str(root))} && {script}"], sandbox=sandbox)
    try:
        return warden.wait(_LONGEST_BUILD), "".join(warden.printed(stream) for stream in (1, 0))
    except TimeoutError:
        raise CompileError(f"the compiler had not ended after {_LONGEST_BUILD} s") from None
    finally:
        warden.close()


def _limit(said: str) -> str | None:
    """Which limit has ended the compiler or the linker, if one has."""
    words = r"terminated (?:program|with signal)|out of memory allocating|memory exhausted|File too large|No space left"
    found = re.search(rf".*(?:{words}).*", said)
    if not found:
        return None
    memory, seconds, file = (_COMPILING[name] for name in ("memory", "processor", "file"))
    return (
        f"the compiler was stopped, by a limit of {seconds} s, {memory // MIB:,} MiB of memory and "
        f"{file // MIB} MiB of output: {found[0].strip()}"
    )
