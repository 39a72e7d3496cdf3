"""Chapters are found, put together, and their markers' mistakes are said with the line."""

from pathlib import Path

import pytest

from echolab.regions import RegionError, assemble, read_regions, scan


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
