"""Chapters are found, put together, and their markers' mistakes are said with the line."""

from pathlib import Path

import pytest

from echolab.regions import RegionError, assemble, read_regions, scan, stands_alone


def write(path: Path, *chapters: str) -> Path:
    parts = [f"// #region step-{n}\n{text}\n// #endregion step-{n}" for n, text in enumerate(chapters, 1)]
    path.write_text("head\n" + "\nbetween\n".join(parts) + "\ntail\n", encoding="utf-8")
    return path


def test_a_server_is_assembled_from_two_files(tmp_path: Path) -> None:
    own, other = write(tmp_path / "own", "a1", "a2", "a3"), write(tmp_path / "other", "b1", "b2", "b3")
    text = assemble(own, other, [2], [3])
    code = [line for line in text.splitlines() if not line.startswith(("#line", "//"))]
    assert code == ["head", "a1", "between", "b2", "between", "tail"]


def test_line_directives_point_to_where_the_code_stands(tmp_path: Path) -> None:
    own, other = write(tmp_path / "own", "a1", "a2"), write(tmp_path / "other", "b1", "long\nb2")
    text = assemble(own, other, [2], []).splitlines()
    for file in (own, other):
        source = file.read_text(encoding="utf-8").splitlines()
        current, line = "", 0
        for found in text:
            if found.startswith("#line"):
                current, line = found.split('"')[1], int(found.split()[1])
                continue
            if current == str(file):
                assert source[line - 1] == found
            line += 1


def test_a_damaged_chapter_leaves_the_others_whole(tmp_path: Path) -> None:
    own, other = write(tmp_path / "own", "a1", "a2", "a3"), write(tmp_path / "other", "b1", "b2", "b3")
    other.write_text(other.read_text(encoding="utf-8").replace("// #endregion step-2\n", ""), encoding="utf-8")
    assert "b3" in assemble(own, other, [3], [])
    with pytest.raises(RegionError, match="the markers of step 2 are missing"):
        assemble(own, other, [2], [])


def test_a_chapter_that_stands_twice_is_neither(tmp_path: Path) -> None:
    path = write(tmp_path / "own", "a1", "a2")
    path.write_text(path.read_text(encoding="utf-8") + "// #region step-2\n// #endregion step-2\n", encoding="utf-8")
    regions, problems = scan(path)
    assert list(regions) == [1] and "step 2 begins a second time" in problems[0]


def test_headers_come_with_the_chapters(tmp_path: Path) -> None:
    own, other = write(tmp_path / "own", "a1"), write(tmp_path / "other", "b1")
    other.write_text("#include <poll.h>\n" + other.read_text(encoding="utf-8"), encoding="utf-8")
    assert assemble(own, other, [1], []).startswith("#include <poll.h>\n#line 1 ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "// #region step-2\n// #endregion step-2\n// #region step-1\n// #endregion step-1\n",
            ":3: step 1 stands behind step 2",
        ),
        ("// #region step-1\n", ":1: step 1 begins here and never ends"),
        ("// #endregion step-1\n", ":1: step 1 ends here, but it did not begin"),
        ("// #region step-1\n// #region step-2\n", ":2: step 2 begins inside step 1"),
    ],
)
def test_a_wrong_marker_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "server.cpp"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RegionError, match=said):
        read_regions(path)


@pytest.mark.parametrize(
    ("chapter", "other", "alone"),
    [
        ("int f() { return 1; }", "int g() { return 2; }", True),
        ("int f() { return helper(); }", "namespace { int helper() { return 2; } }", False),
        ("int f() { return helper(); }", "int helper() { return 2; }\nint g();", False),
        ("int f() { return total; }", "static int total = 0;", False),
        ("int f() { return total; }", "struct Sums { int total; };", True),  # nothing of Sums is named
        ("int f() { return Sums().total; }", "struct Sums { int total; };", False),
        ("int f() { return GREEN; }", "enum { RED, GREEN };", False),
        ("int f() { return table(0); }", "Function (*table)(int);", False),
        ("int f(int buffer) { return buffer; }", "int g(int buffer) { return buffer; }", True),
        ("int f() { return 1; }", "#define return while", False),
        ("int f() { return 1; }", "using namespace std;", False),
        ("int f() { return 1; }", "bool operator==(Slot, Slot) { return true; }", False),
        ("int f() { return 1; }  // total", "static int total = 0;", True),
        ('int f() { puts("total"); }', "static int total = '{';", True),
        ('int f() { puts("total"); }', 'const char* text = R"x("total)x"; int total;', True),
        ("int f() { return total; }", "int g() { return 1'000'000; } int total;", False),
        ("int f() { return g() + given; }", "int g() { return given; }", True),  # of the course
    ],
)
def test_a_chapter_stands_alone_when_it_names_nothing_of_the_others(
    tmp_path: Path, chapter: str, other: str, alone: bool
) -> None:
    header = tmp_path / "server.hpp"
    header.write_text("extern int given;\nint g();\n", encoding="utf-8")
    for number, chapters in enumerate(((chapter, other), (other, chapter)), 1):
        source = tmp_path / f"server{number}.cpp"
        parts = [f"// #region step-{n}\n{text}\n// #endregion step-{n}" for n, text in enumerate(chapters, 1)]
        source.write_text("#include <cstdio>\n" + "\n".join(parts) + "\n", encoding="utf-8")
        assert stands_alone(source, number, [header], ["f", "Class::g"]) is alone
    assert not stands_alone(source, 3, [header], [])
