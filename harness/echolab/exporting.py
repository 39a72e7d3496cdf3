"""Packages: what of this project a platform or a student gets, and the platform's own files around it.

Those stand in harness/platforms, with @WORD@ where something is filled in. A package is made beside
its place and gets its name when it is whole.
"""

import json
import os
import re
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from echolab import stubs
from echolab.course import ROOT, Lesson, lessons
from echolab.regions import RegionError, read_regions
from echolab.stubs import NoStub

_TEMPLATES = ROOT / "harness" / "platforms"
_GIVEN = Path("lessons/common/lesson_1_functions.cpp")  # lessons/1-single-process/meson.build looks for it
_PYTHON = ("harness/echolab", "harness/checks")
_GRADER = ("meson.build", "LICENSE", "harness/lab", "harness/meson.build", "harness/stubs.sha256",
           "harness/witness", "harness/warden", "lessons/common", "lessons/meson.build", *_PYTHON)  # fmt: skip
_FOR_STUDENTS = (".clang-format", ".clangd", ".gitignore", ".vscode", ".devcontainer")
_PAGES = ("glossary.md", "students")  # of each language, besides a lesson's own
_NOT_OURS = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", "*~", "*.~*~", ".#*", "*.swp")


class WrongUsage(Exception):
    """What is asked for makes no sense; the text says why."""


class NotExported(Exception):
    """The package could not be made; the text says why."""


@dataclass(frozen=True)
class Order:
    """What a package is for: one lesson, or all of them; `image` is the name of PrairieLearn's image."""

    lesson: Lesson | None = None
    image: str = "echo-lab-grader"

    @property
    def option(self) -> str:
        return f"--lesson {self.lesson.number}" if self.lesson else ""

    @property
    def up_to(self) -> tuple[Lesson, ...]:
        """The lessons that somebody sees who does this one."""
        return tuple(
            known for known in lessons() if not self.lesson or known.number <= self.lesson.number
        )


def export(target: str, out: Path, order: Order) -> None:
    """Makes the package in the new folder `out`. Raises WrongUsage, NotExported."""
    if target not in TARGETS:
        raise WrongUsage(f"there is no platform {target!r}; there are: {', '.join(TARGETS)}")
    if out.exists() or out.is_symlink():
        raise WrongUsage(f"{out} exists already; a package is made in a new folder")
    try:
        with _becoming(out) as folder:
            TARGETS[target](folder, order)
    except (NoStub, RegionError) as error:
        raise NotExported(str(error)) from error
    except shutil.Error as error:
        why = error.args[0][0][2]  # of the first file that could not be copied, as text
        raise NotExported(f"cannot write {out}: {re.sub(r'^.Errno [0-9]+. |: .*', '', why)}") from error
    except OSError as error:
        raise NotExported(f"cannot write {out}: {error.strerror or error}") from error


@contextmanager
def _becoming(out: Path) -> Iterator[Path]:
    """A folder that gets the name `out` at the end, or is gone if something fails."""
    parent = out.absolute().parent
    if not parent.is_dir():
        raise WrongUsage(f"{parent} is no folder; a package is made in a new folder of one that exists")
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=parent))
    try:
        yield folder
        mask = os.umask(0)
        os.umask(mask)
        folder.chmod(0o777 & ~mask)
        folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


# -- what of the project is in it


def _grader(folder: Path) -> None:
    """All that grades, with the solutions. Nobody who does a lesson is to see this."""
    _tree(folder, lessons())
    _take(folder, "solutions")


def _tree(folder: Path, chosen: tuple[Lesson, ...]) -> None:
    """All that grades, and these lessons as they are handed out, without solutions."""
    for name in _GRADER:
        _take(folder, name)
    for lesson in chosen:
        source = Path("lessons", lesson.slug)
        _take(folder, str(source))
        (folder / source / "server.cpp").write_text(stubs.text(lesson), encoding="utf-8")


def _without_solutions(folder: Path, chosen: tuple[Lesson, ...]) -> None:
    _tree(folder, chosen)
    if len(chosen) > 1:
        (folder / _GIVEN).write_text(_given_code(lessons()[0]), encoding="utf-8")


def _given_code(lesson: Lesson) -> str:
    """The functions of the lesson's solution that the next ones stand on: all chapters but the last."""
    source = lesson.source(solutions=True)
    lines = source.read_text(encoding="utf-8").splitlines()
    chapters = list(read_regions(source).values())
    includes = [line for line in lines if line.startswith("#include")]
    title = "// What lesson 1 taught, finished: given code, which the later lessons stand on."
    text = [title, *includes]
    for chapter in chapters[:-1]:
        text += ["", *chapter.lines]
    return "\n".join(text) + "\n"


def _take(folder: Path, name: str) -> None:
    """Copies a file or a folder of the project to the same place in the package."""
    source, copy = ROOT / name, folder / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, copy, ignore=_NOT_OURS)
    else:
        shutil.copy2(source, copy)


def _fill_in(name: str, copy: Path, **words: str) -> None:
    """Copies a template, with what its @WORD@s stand for."""
    source = _TEMPLATES / name
    text = source.read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(f"@{word.upper()}@", value)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(text, encoding="utf-8")
    copy.chmod(source.stat().st_mode & 0o777)


# -- the targets


def _gradescope(folder: Path, order: Order) -> None:
    """One zip file, as Gradescope takes it."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        top = Path(made)
        _grader(top / "echo-lab")
        for name in ("setup.sh", "run_autograder"):
            _fill_in(f"gradescope/{name}", top / name, lesson=order.option)
        with zipfile.ZipFile(folder / "autograder.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(top.rglob("*")):
                archive.write(path, path.relative_to(top))


def _prairielearn(folder: Path, order: Order) -> None:
    """The grader's image, and a question for each lesson."""
    _grader(folder / "grader" / "echo-lab")
    for name in ("Dockerfile", "grade.sh"):
        _fill_in(f"prairielearn/{name}", folder / "grader" / name, image=order.image)
    _fill_in("prairielearn/README.md", folder / "README.md", image=order.image)
    for lesson in [order.lesson] if order.lesson else lessons():
        question = folder / "questions" / f"echo-lab-{lesson.slug}"
        title = f"lesson {lesson.number}, {lesson.title}"
        _fill_in("prairielearn/question.html", question / "question.html", title=title, number=str(lesson.number))
        (question / "server.cpp").write_text(stubs.text(lesson), encoding="utf-8")
        info = {
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"echo-lab/{lesson.slug}")),
            "type": "v3",
            "title": f"Echo Lab: {title}",
            "topic": "Network servers",
            "gradingMethod": "External",
            "externalGradingOptions": {
                "enabled": True,
                "image": order.image,
                "entrypoint": ["/grade.sh", str(lesson.number)],
                "timeout": 600,
                "enableNetworking": False,
            },
        }
        (question / "info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")


def _classroom50(folder: Path, order: Order) -> None:
    """What the teacher publishes, which students can read; and a workflow."""
    _without_solutions(folder / "autograder" / "echo-lab", order.up_to)
    _fill_in("classroom50/autograder.py", folder / "autograder" / "autograder.py", lesson=order.option)
    _fill_in("classroom50/echo-lab.yaml", folder / ".github" / "workflows" / "echo-lab.yaml")
    for name in ("README.md", "runtime.json"):
        _fill_in(f"classroom50/{name}", folder / name)


def _student(folder: Path, order: Order) -> None:
    """What is handed out."""
    _without_solutions(folder, order.up_to)
    for name in _FOR_STUDENTS:
        _take(folder, name)
    _fill_in("student/README.md", folder / "README.md")
    for language in ("en", "zh"):
        own = [f"{lesson.slug}.md" for lesson in order.up_to]
        for name in (*own, *_PAGES):
            _take(folder, f"docs/{language}/{name}")
        for name in own:
            _leave_solutions_out(folder / "docs" / language / name)
    (folder / "harness" / "stubs").mkdir()
    for lesson in order.up_to:
        (folder / "harness" / "stubs" / f"{lesson.slug}.cpp").write_text(stubs.text(lesson), encoding="utf-8")


def _leave_solutions_out(page: Path) -> None:
    """A page shows the solution's chapters by links, each on a line of its own."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    page.write_text("".join(line for line in lines if not line.startswith("[`solutions/")), encoding="utf-8")


TARGETS: dict[str, Callable[[Path, Order], None]] = {
    "gradescope": _gradescope,
    "prairielearn": _prairielearn,
    "classroom50": _classroom50,
    "student": _student,
}
