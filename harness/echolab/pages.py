"""The annotated docs as data: pages in two languages, their headings, notes on code, and translations.

docs/.vitepress reads the same forms when it makes the site; see annotated-code.mts and headings.mts there.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from echolab.course import ROOT
from echolab.regions import read_regions

DOCS = ROOT / "docs"
ENGLISH, CHINESE = DOCS / "en", DOCS / "zh"

_FENCE = re.compile(r"^(```+)([^\n]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_REGION = re.compile(
    r"^\[[^\]]+\]\(([^)#]+\.cpp)#step-(\d+)\)$\n\n((?:\d+\. (?:.|\n(?!\n))*\n?)*)", re.MULTILINE
)
_NOTE = re.compile(r"^\d+\. (`+)(.+?)\1 ?((?:.|\n(?!\d+\. ))*)", re.MULTILINE)
_TRANSLATES = re.compile(r"^translates: (\S+)$", re.MULTILINE)


class PageError(Exception):
    """A page of the docs does not fit what it speaks of; the text says which page and why."""


@dataclass(frozen=True)
class Note:
    """One annotation: the piece of code that names its line, and what is said of it."""

    code: str
    text: str


@dataclass(frozen=True)
class AnnotatedRegion:
    """A link of a page to a step's region of a source, and the notes that follow it."""

    source: Path
    step: int
    notes: tuple[Note, ...]

    def lines(self) -> list[int]:
        """The lines of `source` at which the notes stand, each below the one before. Raises PageError."""
        regions = read_regions(self.source)
        if self.step not in regions:
            raise PageError(f"{self.source} has no region step-{self.step}")
        region, found, start = regions[self.step], [], 0
        for note in self.notes:
            places = range(start, len(region.lines))
            place = next((n for n in places if note.code in region.lines[n]), None)
            if place is None:
                raise PageError(
                    f"{self.source}, step {self.step}: no line below the note before has {note.code!r}"
                )
            found.append(region.first_line + place)
            start = place + 1
        return found


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what follows the language, and its text."""

    language: str
    remark: str
    text: str


@dataclass(frozen=True)
class Page:
    """One Markdown file of the docs."""

    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The page without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def blocks(self) -> list[Block]:
        found = _FENCE.finditer(self.text)
        return [Block(*[*match[2].split(maxsplit=1), "", ""][:2], match[3]) for match in found]

    @property
    def regions(self) -> list[AnnotatedRegion]:
        return [
            AnnotatedRegion(
                (self.path.parent / source).resolve(),
                int(step),
                tuple(Note(code, text.strip()) for _, code, text in _NOTE.findall(notes)),
            )
            for source, step, notes in _REGION.findall(self.text)
        ]

    @property
    def headings(self) -> list[tuple[int, str]]:
        """Level and title of each heading, the title without its marks."""
        found = re.findall(r"^(#+) (.+)$", self.prose, re.MULTILINE)
        return [(len(marks), re.sub("[`*]", "", title)) for marks, title in found]

    @property
    def anchors(self) -> set[str]:
        """The ids that GitHub, and our site, give to the headings."""
        return {anchor(title) for _, title in self.headings}

    @property
    def links(self) -> list[str]:
        """What the page links to, pictures among them; in the order in which it does."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    @property
    def counterpart(self) -> "Page":
        """The same page in the other language, whether or not it exists."""
        here, there = (
            (ENGLISH, CHINESE) if self.path.is_relative_to(ENGLISH) else (CHINESE, ENGLISH)
        )
        return Page(there / self.path.relative_to(here))

    @property
    def blob(self) -> str:
        """What `git hash-object` says of the page as it stands."""
        content = self.path.read_bytes()
        return hashlib.sha1(
            b"blob %d\0" % len(content) + content, usedforsecurity=False
        ).hexdigest()

    @property
    def translates(self) -> str | None:
        """The blob of the English page that this one translates, as it says itself; shortened."""
        found = _TRANSLATES.search(self.text.partition("\n---")[0])
        return found[1] if found else None

    @property
    def behind(self) -> bool:
        """Whether the English page has changed since this one was translated."""
        return not self.counterpart.blob.startswith(self.translates or "none")

    def mark_translated(self) -> None:
        """Notes that this page translates the English one as it is now. Raises PageError."""
        if not self.translates or not self.counterpart.path.exists():
            raise PageError(f"{self.name} is no translation of an English page")
        self.path.write_text(
            _TRANSLATES.sub(f"translates: {self.counterpart.blob[:10]}", self.text, count=1),
            encoding="utf-8",
        )


def anchor(title: str) -> str:
    """The id that GitHub makes of a heading's title."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def pages(language: Path) -> list[Page]:
    """All pages of one language, in order."""
    return [Page(path) for path in sorted(language.rglob("*.md")) if "[" not in path.name]
