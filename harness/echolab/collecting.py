"""What a class has handed in, student by student: from folders, archives, and the downloads of
Gradescope, Moodle and Canvas."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from echolab import archives
from echolab.archives import File
from echolab.course import Lesson, lessons
from echolab.submission import Submission

_GIVEN = {"server.hpp", "server_test.cpp"}
_SOURCE = (".cpp", ".cc", ".cxx")
_HEADER = (".hpp", ".h")

# "Ada Lovelace_123456_assignsubmission_file_" is a folder, or how a file's name begins.
_MOODLE = re.compile(r"(?P<student>.+)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)", re.DOTALL)
# "lovelaceada_LATE_4711_123456_server-1.cpp": the student, late, the student's number, the upload's.
_CANVAS = re.compile(r"(?P<student>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.DOTALL)
_GRADESCOPE = re.compile(r"submission_(?P<id>\d+)")
_METADATA = "submission_metadata.yml"


class CollectError(Exception):
    """There is nothing to grade; the text says why."""


def collect(source: Path, only: Lesson | None = None) -> list[Submission]:
    """Every submission in a folder or an archive, by student.

    Which lesson a lone file is for can be seen in it; with `only` all are for that one. Raises
    CollectError, OSError.
    """
    if not source.exists():
        raise CollectError(f"{source} does not exist")
    files = _without_wrapping(list(archives.read(source)), source)
    names = _gradescope_names(files)
    groups: dict[tuple[str, str], list[File]] = defaultdict(list)
    for file in files:
        if file.path.parts and file.path.name != _METADATA:
            origin, student, rest = _owner(file, names)
            groups[student, origin].append(replace(file, path=rest))
    if not groups:
        raise CollectError(f"{source}: there is no submission in it")
    times = Counter(student for student, _ in groups)
    found = []
    for (student, origin), own in sorted(groups.items()):
        notes = []
        if times[student] > 1:
            notes = [f"{shown(student)} has handed in {times[student]} times; each is graded, this is {shown(origin)}"]
            student = f"{student} ({origin})"
        found.append(_submission(shown(student), own, only, notes))
    return found


def one(source: Path, only: Lesson | None = None) -> Submission:
    """All that is in a folder or an archive as the work of one student, perhaps of none. Raises OSError."""
    return _submission("", list(archives.read(source)), only, [])


def shown(name: str) -> str:
    """A name that somebody else chose, on one line and without what a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


# -- whose a file is


def _without_wrapping(files: list[File], source: Path) -> list[File]:
    """The files below the folder that holds the students'; of a lone submission, below its own name."""
    if any(map(_is_of_a_submission, _tops(files))):
        return [replace(file, path=source.name / file.path) for file in files]
    if download := _download_in(files):
        return download
    below = _below_the_top(files)
    # An archive of a folder has that folder in it; a folder of students has students in it.
    if not source.is_dir() and below and not any(
        _is_of_a_submission(name) or name.endswith(_SOURCE) for name in _tops(below)
    ):
        return _without_wrapping(below, source)
    return files


def _download_in(files: list[File]) -> list[File] | None:
    """What a platform let one download, however many folders and archives are around it."""
    while files:
        if any(name == _METADATA or _layout(name) for name in _tops(files)):
            return files
        files = _below_the_top(files)
    return None


def _tops(files: list[File]) -> set[str]:
    return {file.path.parts[0] for file in files if file.path.parts}


def _below_the_top(files: list[File]) -> list[File]:
    """The files with their common top folder left out; nothing if they have none."""
    if len(_tops(files)) != 1:
        return []
    below = [replace(file, path=PurePosixPath(*file.path.parts[1:])) for file in files]
    return below if _tops(below) else []


def _layout(name: str) -> re.Match[str] | None:
    """How a platform names what one student has submitted."""
    return _GRADESCOPE.fullmatch(name) or _MOODLE.fullmatch(name) or _CANVAS.fullmatch(name)


def _is_of_a_submission(name: str) -> bool:
    """Whether this lies at the top of one student's work, and is no student."""
    return name in ("lessons", "server.cpp") or name in {lesson.slug for lesson in lessons()}


def _gradescope_names(files: Iterable[File]) -> dict[str, str]:
    """Who submitted what, from the metadata of a Gradescope export: by the number of the submission."""
    text = next((f.text for f in files if f.path.name == _METADATA and len(f.path.parts) == 1), None)
    names: dict[str, str] = {}
    number = ""
    for line in (text or b"").decode("utf-8", "replace").splitlines():
        if found := re.match(r"submission_(\d+):", line):
            number = found[1]
        elif number and (found := re.match(r"[\s-]*:name: (.+)", line)):
            name = found[1].strip().strip("'\"")
            names[number] = f"{names[number]}, {name}" if number in names else name
    return names


def _owner(file: File, names: dict[str, str]) -> tuple[str, str, PurePosixPath]:
    """The top folder or archive that a file comes from, the student, and the file's path below."""
    top, *rest = file.path.parts
    if found := _GRADESCOPE.fullmatch(top):
        return top, names.get(found["id"], top), PurePosixPath(*rest)
    for layout in (_MOODLE, _CANVAS):
        if found := layout.fullmatch(top):
            inside = [found["file"]] if found["file"] else []
            return f"number {found['id']}", found["student"], PurePosixPath(*inside, *rest)
    if rest or file.text is None:
        student = top
        for suffix in archives.ARCHIVES:
            student = student.removesuffix(suffix)
        return top, student, PurePosixPath(*rest)
    return top, PurePosixPath(top).stem, PurePosixPath(top)


# -- what a file is


def _submission(student: str, files: list[File], only: Lesson | None, notes: list[str]) -> Submission:
    notes += [f"{shown(str(f.path)) if f.path.parts else 'what was handed in'} {f.note}" for f in files if f.note]
    sources = [f for f in files if f.text is not None and f.path.suffix.lower() in _SOURCE]
    sources = [f for f in sources if f.path.name not in _GIVEN and "solutions" not in f.path.parts[:-1]]
    found: dict[int, dict[str, bytes]] = {}
    # server.cpp itself before others, and what lies higher before what lies deeper.
    for file in sorted(sources, key=lambda f: (f.path.name != "server.cpp", len(f.path.parts), f.path)):
        lesson = only if only and not _slug(file.path) else _lesson(file)
        name = shown(str(file.path))
        if lesson is None:
            notes.append(f"{name} is for no lesson that it can be told by")
        elif lesson.number in found:
            if file.path.name == "server.cpp" or not _slug(file.path):
                notes.append(f"{name} is left out: lesson {lesson.number} has a server already")
        elif b"\0" in (file.text or b""):
            notes.append(f"{name} is not source text, and is left out")
        else:
            assert file.text is not None
            found[lesson.number] = {"server.cpp": file.text, **_headers_beside(file, files)}
    if not sources:
        notes.append("there is no C++ source in it")
    return Submission(student, dict(sorted(found.items())), tuple(notes))


def _headers_beside(source: File, files: list[File]) -> dict[str, bytes]:
    """The student's own headers in the same folder: given ones are not taken from a submission."""
    return {
        file.path.name: file.text
        for file in files
        if file.text is not None
        and file.path.parent == source.path.parent
        and file.path.suffix in _HEADER
        and file.path.name not in _GIVEN
        and re.fullmatch(r"[\w.+-]+", file.path.name, re.ASCII)
    }


def _slug(path: PurePosixPath) -> Lesson | None:
    return next((lesson for lesson in lessons() if lesson.slug in path.parts[:-1]), None)


def _lesson(file: File) -> Lesson | None:
    """By its folder; by a number in its path; or by the functions that it defines."""
    if found := _slug(file.path):
        return found
    by_number = {str(lesson.number): lesson for lesson in lessons()}
    if (number := re.search(r"lesson[-_ ]?(\d+)", str(file.path).lower())) and number[1] in by_number:
        return by_number[number[1]]
    text = (file.text or b"").decode("utf-8", "replace")

    def defined(lesson: Lesson) -> int:
        names = [name for step in lesson.steps for name in step.functions]
        return sum(bool(re.search(rf"\b{re.escape(name.split('::')[-1])}\s*\(", text)) for name in names)

    best = max(lessons(), key=lambda lesson: (f"// Lesson {lesson.number}," in text, defined(lesson)))
    return best if f"// Lesson {best.number}," in text or defined(best) else None
