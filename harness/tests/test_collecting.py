"""Submissions are found in folders, archives and downloads; hostile archives cost nothing and do no harm."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from echolab import archives, course
from echolab.collecting import CollectError, collect
from echolab.submission import Submission

ONE, TWO = (lesson.source().read_bytes() for lesson in course.lessons()[:2])
TREE = {f"lessons/{lesson.slug}/server.cpp": lesson.source().read_bytes() for lesson in course.lessons()}
METADATA = b"""---
submission_11:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1815'
  :created_at: 2026-11-01 10:00:00.000000000 Z
submission_12:
  :submitters:
  - :name: Alan Turing
    :sid: '1912'
  - :name: Grace Hopper
    :sid: '1906'
"""


def zipped(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:  # type: ignore[call-overload]
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return data.getvalue()


def lay_out(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return folder


def students(found: list[Submission]) -> dict[str, list[int]]:
    return {submission.student: list(submission.files) for submission in found}


def test_folders_zips_tars_and_single_files(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            **{f"alice/{name}": text for name, text in TREE.items()},
            "bob.zip": zipped({"server.cpp": ONE}),
            "carol.tar.gz": tarred({"homework/lesson2.cpp": TWO}),
            "dave.tar": tarred({"2-multi-process/server.cpp": TWO}, "w"),
            "erin.tar.xz": tarred(TREE, "w:xz"),
            "frank.cpp": TWO,
        },
    )
    assert students(collect(tmp_path)) == {
        "alice": [1, 2, 3, 4], "bob": [1], "carol": [2], "dave": [2], "erin": [1, 2, 3, 4], "frank": [2],
    }  # fmt: skip


@pytest.mark.parametrize("packed", [True, False])
def test_a_download_of_gradescope(tmp_path: Path, packed: bool) -> None:
    files = {
        "assignment_5_export/submission_metadata.yml": METADATA,
        "assignment_5_export/submission_11/server.cpp": ONE,
        "assignment_5_export/submission_12/server.cpp": TWO,
    }
    source = lay_out(tmp_path, {"export.zip": zipped(files)} if packed else files)
    found = {"Ada Lovelace": [1], "Alan Turing, Grace Hopper": [2]}
    assert students(collect(source)) == found
    if packed:
        assert students(collect(source / "export.zip")) == found


@pytest.mark.parametrize("in_folders", [True, False])
def test_a_download_of_moodle(tmp_path: Path, in_folders: bool) -> None:
    between = "/" if in_folders else ""
    files = {
        f"Ada Lovelace_101_assignsubmission_file_{between}server.cpp": ONE,
        f"Zoë 王_102_assignsubmission_file_{between}work.zip": zipped(TREE),
    }
    found = {"Ada Lovelace": [1], "Zoë 王": [1, 2, 3, 4]}
    assert students(collect(lay_out(tmp_path / "a", files))) == found
    assert students(collect(lay_out(tmp_path / "b", {"m.zip": zipped(files)}))) == found


def test_a_download_of_canvas(tmp_path: Path) -> None:
    files = {
        "lovelaceada_4711_900_server-1.cpp": ONE,
        "turingalan_LATE_4712_901_lessons.zip": zipped(TREE),
        "hoppergrace_4713_902_server.cpp": ONE,
        "hoppergrace_4713_903_server-2.cpp": TWO,
    }
    found = {"lovelaceada": [1], "turingalan": [1, 2, 3, 4], "hoppergrace": [1, 2]}
    assert students(collect(lay_out(tmp_path, files))) == dict(sorted(found.items()))


def test_a_folder_can_be_one_submission(tmp_path: Path) -> None:
    assert students(collect(lay_out(tmp_path / "alice", TREE))) == {"alice": [1, 2, 3, 4]}


def test_an_archive_of_the_class_may_have_a_folder_around_it(tmp_path: Path) -> None:
    files = {"homework/alice/server.cpp": ONE, "homework/bob/server.cpp": TWO}
    source = lay_out(tmp_path, {"class.zip": zipped(files)}) / "class.zip"
    assert students(collect(source)) == {"alice": [1], "bob": [2]}


def test_an_empty_submission_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    lay_out(tmp_path, {"bob.zip": zipped({}), "carol/README.txt": b"later"})
    found = collect(tmp_path)
    assert students(found) == {"alice": [], "bob": [], "carol": []}
    assert {submission.notes for submission in found} == {("there is no C++ source in it",)}


def test_where_nothing_is_there_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CollectError, match="no submission"):
        collect(tmp_path)
    with pytest.raises(CollectError, match="does not exist"):
        collect(tmp_path / "nowhere")


def test_who_hands_in_twice_is_graded_twice_and_told(tmp_path: Path) -> None:
    lay_out(tmp_path, {"alice/server.cpp": ONE, "alice.zip": zipped({"server.cpp": TWO})})
    first, second = collect(tmp_path)
    assert (first.student, second.student) == ("alice (alice)", "alice (alice.zip)")
    assert first.notes == ("alice has handed in 2 times; each is graded, this is alice",)


def test_only_what_is_the_students_is_taken(tmp_path: Path) -> None:
    folder = "alice/lessons/1-single-process"
    files = {
        f"{folder}/server.cpp": ONE,
        f"{folder}/server.hpp": b"#define forged",
        f"{folder}/mine.hpp": b"// mine",
        f"{folder}/name\nwith\x1b[31mcolour.hpp": b"",
        "alice/solutions/1-single-process/server.cpp": b"// theirs",
    }
    (alice,) = collect(lay_out(tmp_path, files))
    assert alice.files == {1: {"server.cpp": ONE, "mine.hpp": b"// mine"}}


def test_names_are_shown_on_one_line_without_escape_sequences(tmp_path: Path) -> None:
    lay_out(tmp_path, {"a\nb\x1b[31m.zip": zipped({"x\x1b[2J\n.cpp": b"int x;"})})
    (found,) = collect(tmp_path)
    assert found.student == r"a\nb\x1b[31m"
    assert found.notes == (r"x\x1b[2J\n.cpp is for no lesson that it can be told by",)


def test_a_program_instead_of_source_is_said(tmp_path: Path) -> None:
    lay_out(tmp_path, {"alice/lessons/1-single-process/server.cpp": b"\x7fELF\0\0"})
    (alice,) = collect(tmp_path)
    assert alice.files == {} and "is not source text" in alice.notes[0]


def test_all_files_can_be_told_to_be_for_one_lesson(tmp_path: Path) -> None:
    lay_out(tmp_path, {"alice.cpp": b"int main() {}", "bob/server.cpp": TWO})
    assert students(collect(tmp_path, course.lessons()[0])) == {"alice": [1], "bob": [1]}


# -- archives that mean harm


def notes(folder: Path) -> str:
    return "\n".join(note for submission in collect(folder) for note in submission.notes)


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("server.cpp")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
    lay_out(tmp_path, {"alice.tar": data.getvalue()})
    assert students(collect(tmp_path)) == {"alice": []} and "a link" in notes(tmp_path)


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        link = zipfile.ZipInfo("server.cpp")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/shadow")
    lay_out(tmp_path, {"alice.zip": data.getvalue()})
    assert students(collect(tmp_path)) == {"alice": []} and "a link" in notes(tmp_path)


def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    lay_out(tmp_path / "class", {"alice/README": b""})
    (tmp_path / "class/alice/server.cpp").symlink_to(lay_out(tmp_path, {"secret.cpp": ONE}) / "secret.cpp")
    (tmp_path / "class/alice/lessons").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "class/alice/pipe.cpp")
    assert students(collect(tmp_path / "class")) == {"alice": []}


@pytest.mark.parametrize("name", ["../../bob/server.cpp", "/etc/server.cpp", "..\\bob\\server.cpp"])
def test_a_path_that_leads_out_stays_with_its_student(tmp_path: Path, name: str) -> None:
    lay_out(tmp_path, {"alice.zip": zipped({name: ONE}), "bob/server.cpp": TWO})
    assert students(collect(tmp_path)) == {"alice": [1], "bob": [2]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.zip", "bob"]


def test_a_zip_bomb_is_not_let_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_UNPACKED", 8 << 20)
    bomb = zipped({f"{n}.cpp": bytes(4 << 20) for n in range(16)})
    assert len(bomb) < 100_000
    lay_out(tmp_path, {"alice.zip": bomb, "bob.tar.gz": tarred({"server.cpp": bytes(16 << 20)})})
    assert students(collect(tmp_path)) == {"alice": [], "bob": []}
    assert "unpacks to more than 8 MiB" in notes(tmp_path)


def test_archives_within_archives_end(tmp_path: Path) -> None:
    packed = zipped({"server.cpp": ONE})
    for _ in range(6):
        packed = zipped({"more.zip": packed})
    lay_out(tmp_path, {"alice.zip": packed})
    assert students(collect(tmp_path)) == {"alice": []}


def test_many_files_are_not_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 10)
    lay_out(tmp_path, {"alice.zip": zipped({f"{n}.txt": b"" for n in range(20)})})
    assert "more than 10 files" in notes(tmp_path)


@pytest.mark.parametrize("name", ["alice.zip", "alice.tar", "alice.tar.gz", "alice.tar.xz"])
@pytest.mark.parametrize("text", [b"", b"rubbish" * 1000, zipped(TREE)[:-100], tarred(TREE)[:-100]])
def test_a_broken_archive_is_said(tmp_path: Path, name: str, text: bytes) -> None:
    lay_out(tmp_path, {name: text})
    assert list(students(collect(tmp_path))) == ["alice"]
    assert "cannot be read" in notes(tmp_path) or students(collect(tmp_path))["alice"]


def test_an_encrypted_zip_is_said(tmp_path: Path) -> None:
    packed = bytearray(zipped({"server.cpp": ONE}))
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(header) + at] |= 1  # the flag of encryption
    lay_out(tmp_path, {"alice.zip": bytes(packed)})
    assert "encrypted" in notes(tmp_path)
