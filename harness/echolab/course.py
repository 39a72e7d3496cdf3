"""Lessons and their steps, as data: what stands in each lesson.toml."""

import re
import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from echolab.regions import RegionError, read_regions

ROOT = Path(__file__).resolve().parents[2]


class UnknownLesson(Exception):
    """There is no such lesson or step; the text says which there are."""


@dataclass(frozen=True)
class Step:
    """One step of a lesson. `docs` is a path with an anchor, from the project's top folder.

    `hint_for` has, by name, the checks for which there is a better first hint than hints[0].
    """

    lesson: int
    number: int
    title: str
    functions: tuple[str, ...]
    points: int
    goal: str
    hints: tuple[str, ...]
    docs: str
    hint_for: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        return f"{self.lesson}.{self.number}"


@dataclass(frozen=True)
class Lesson:
    """One lesson; `slug` names its folder below lessons/ and solutions/ in `root`, which is the
    project's own tree or a submission's."""

    number: int
    slug: str
    title: str
    section: str
    steps: tuple[Step, ...]
    root: Path = ROOT

    def source(self, solutions: bool = False) -> Path:
        if solutions:
            return ROOT / "solutions" / self.slug / "server.cpp"
        return self.root / "lessons" / self.slug / "server.cpp"

    @property
    def of_the_course(self) -> "Lesson":
        """The same lesson in the project's own tree."""
        return replace(self, root=ROOT)

    def step(self, number: int) -> Step:
        return self.steps[number - 1]

    def where(self, step: Step, solutions: bool = False) -> tuple[str, int] | None:
        """The file (from the top folder) and line where the step's function begins, if found."""
        path = self.source(solutions)
        try:
            region = read_regions(path)[step.number]
        except (RegionError, KeyError, OSError):
            return None
        name = re.compile(rf"\b{re.escape(step.functions[0])}\b\s*[({{]")
        found = (
            number
            for number, line in enumerate(region.lines, region.first_line)
            if name.search(line) and not line.lstrip().startswith("//")
        )
        return str(path.relative_to(ROOT if solutions else self.root)), next(found, region.first_line)


@cache
def lessons() -> tuple[Lesson, ...]:
    """Every lesson in the tree, in order."""
    folders = sorted((ROOT / "lessons").glob("[0-9]*-*/lesson.toml"))
    return tuple(_load(path) for path in folders)


def _load(path: Path) -> Lesson:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    number = int(path.parent.name.split("-")[0])
    steps = tuple(
        Step(
            lesson=number,
            number=position,
            title=step["title"],
            functions=tuple(step["functions"]),
            points=step["points"],
            goal=step["goal"],
            hints=tuple(step["hints"]),
            docs=step["docs"],
            hint_for=step.get("hint_for", {}),
        )
        for position, step in enumerate(data["step"], 1)
    )
    return Lesson(number, path.parent.name, data["title"], data["section"], steps)


def find(text: str) -> tuple[Lesson, Step | None]:
    """The lesson, or lesson and step, that `text` names: "2" or "2.3". Raises UnknownLesson."""
    parts = re.fullmatch(r"(\d+)(?:\.(\d+))?", text)
    known = {lesson.number: lesson for lesson in lessons()}
    if not parts or int(parts[1]) not in known:
        names = ", ".join(f"{lesson.number} ({lesson.title})" for lesson in lessons())
        raise UnknownLesson(f"there is no lesson {text!r}; there are: {names}")
    lesson = known[int(parts[1])]
    if parts[2] is None:
        return lesson, None
    if not 1 <= int(parts[2]) <= len(lesson.steps):
        last = len(lesson.steps)
        raise UnknownLesson(
            f"lesson {lesson.number} has no step {text}; its steps are {lesson.number}.1 to "
            f"{lesson.number}.{last}"
        )
    return lesson, lesson.step(int(parts[2]))
