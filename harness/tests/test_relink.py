"""A chapter of one object in another: what is taken from which, and when it is refused."""

import subprocess
from pathlib import Path

import pytest

from echolab import build, course, relink
from echolab.course import Lesson

REST = """
#include <cstdio>
int close_all(int);
int first() { return 1; }
int second() { return first() + 10; }
int third() { return second() + 100; }
int main() { std::printf("%d %d", third(), close_all(0)); }
"""
MINE = """
namespace { int own() { return 3; } }
int helper() { return own(); }
int first() { return 2; }
int second() { return first() + 10 * helper(); }
int third() { return 5000; }
"""
LIBRARY = "int close_all(int number) { return number; }"


class Objects:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def compiled(self, name: str, text: str) -> str:
        source, object = self._folder / f"{name}.cpp", self._folder / f"{name}.o"
        source.write_text(text, encoding="utf-8")
        replaceable = ["-fPIC", "-fsemantic-interposition"]
        subprocess.run(["g++", "-std=c++20", "-O2", "-w", *replaceable, "-c", source, "-o", object], check=True)
        return str(object)

    def relinked(self, mine: str, rest: str, functions: tuple[str, ...] = ("second",)) -> str:
        """What the program prints that has these functions of `mine`."""
        made = [str(self._folder / name) for name in relink.MADE]
        relink.relink(functions, self.compiled("a", mine), self.compiled("b", rest), *made)
        link = ["g++", "-o", str(self._folder / "program"), "the object", self.compiled("library", LIBRARY)]
        subprocess.run(relink.with_objects(link, "the object", made), check=True)
        return subprocess.run([self._folder / "program"], stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path)


def test_a_chapter_is_taken_from_one_and_all_else_from_the_other_also_where_functions_call_each_other(
    objects: Objects,
) -> None:
    assert objects.relinked(MINE, REST) == "131 0"  # its own helper, and the other's first() and third()
    assert objects.relinked(MINE, REST, ("first", "third")) == "5000 0"


@pytest.mark.parametrize(
    ("mine", "why"),
    [
        (MINE.replace("int second()", "int second(int)").replace("int third()", "int third(int)"), r"second\(\): not defined"),
        (MINE.replace("int second", "inline int second") + "int user() { return second(); }", "not defined as a function"),
        (MINE.replace("int second", "[[gnu::weak]] int second"), "not defined as a function that can be"),
        (MINE.replace("int second", "static int second") + "int user() { return second(); }", "not defined as a function"),
        (MINE + "struct Loud { Loud() { helper(); } } loud;", "something runs before main"),
        (MINE + "[[gnu::destructor]] void last() { helper(); }", "something runs before main"),
        (MINE + "int close_all(int) { return 7; }", "replaces what everybody uses"),
    ],
)
def test_what_would_not_be_the_chapter_alone_is_refused(objects: Objects, mine: str, why: str) -> None:
    with pytest.raises(relink.Unsuitable, match=why):
        objects.relinked(mine, REST)


def test_a_group_of_sections_does_not_bring_the_solutions_function_back(objects: Objects) -> None:
    shared = "struct Shared { int get() { return 4; } };\n"
    hidden = '[[gnu::section(".text.x,\\"axG\\",@progbits,_ZN6Shared3getEv,comdat#")]] int second() { return 20; }'
    mine = shared + MINE.replace("int second() { return first() + 10 * helper(); }", hidden)
    rest = shared + REST.replace("return 1;", "return Shared().get();")
    assert objects.relinked(mine, rest.replace("int get()", "[[gnu::noipa]] int get()")).startswith("120 ")


@pytest.mark.parametrize("lesson", course.lessons(), ids=lambda lesson: lesson.slug)
def test_every_function_of_a_solution_belongs_to_one_step(lesson: Lesson) -> None:
    build.build(build.server(lesson, solutions=True))
    object = str(build.DIRECTORY / build.link_of(build.server(lesson, solutions=True))[1])
    named = relink._names(object)
    defined = sorted(named[symbol].partition("(")[0] for symbol in relink._strong(object))
    assert defined == sorted(name for step in lesson.steps for name in step.functions)
