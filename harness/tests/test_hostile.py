"""Submissions that mean harm, graded as one class: none does any, each has the points that it has earned.

Those in hostile/ are lesson 1's solution with an attack in front of it, or in some of its chapters. Many attack before
main() begins, and abort if that succeeds: such a server has its points only where it was held off. What is known of
each stands in its first lines:

    // scores: 76       its points, of 100
    // says: SIGTERM    a regular expression: what its report says

Each also bounds itself: it would do little harm even outside of a sandbox.
"""

import io
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import HARNESS

from echolab import build, kit, sandbox
from echolab.build import CompileError
from echolab.course import ROOT, lessons
from echolab.known import catalogue
from echolab.regions import assemble, read_regions
from echolab.sandbox import Sandbox
from echolab.submission import Settings, Submission, _memory_guard, grade_submission

LESSON = lessons()[0]
SOLUTION = LESSON.source(solutions=True)
ATTACKS = sorted((Path(__file__).parent / "hostile").glob("*.cpp"))
WRONG = next(known for known in catalogue() if known.id == "1-ignores_short_writes")
MOST_SECONDS = 600  # for the whole class, on a machine that is busy with other things
pytestmark = pytest.mark.skipif(bool(sandbox.forbidden()), reason=str(sandbox.forbidden()))


def hostile(attack: Path) -> str:
    """Only the attack's own chapters keep their markers: the others are not graded by themselves as well,
    which would take its time."""
    chapters = list(read_regions(attack))
    text = SOLUTION.read_text(encoding="utf-8")
    text = assemble(SOLUTION, attack, chapters, []) if chapters else attack.read_text(encoding="utf-8") + text
    text = re.sub(r"// #(?:end)?region step-(\d+)\n", lambda mark: mark[0] if int(mark[1]) in chapters else "", text)
    return re.sub(r"^#line .*\n", "", text, flags=re.MULTILINE)


def field(attack: Path, name: str) -> str:
    found = re.search(rf"^// {name}: (.*)$", attack.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return data.getvalue()


def archives() -> dict[str, bytes]:
    """Archives that mean harm, and other things that are no source."""
    right = SOLUTION.read_bytes()
    link = zipfile.ZipInfo("server.cpp")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        for name, kind, target in (
            ("server.cpp", tarfile.SYMTYPE, "../right.cpp"),
            ("lessons/1-single-process/server.cpp", tarfile.LNKTYPE, "/etc/shadow"),
            ("device.cpp", tarfile.CHRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return {
        "links-in-a-zip.zip": zipped((link, b"../right.cpp")),
        "links-in-a-tar.tar.gz": tar.getvalue(),
        "climbs-out.zip": zipped(("../right.cpp", b"#error mine"), ("../../out/gradebook.sqlite", b"mine")),
        "bomb.zip": zipped(("server.cpp", bytes(300 << 20))),
        "\x1b]0;owned\x07two\nlines.zip": zipped(("server.cpp", right), ("\x1b[2J\n.cpp", b"\n")),
        "<script>alert(1)<.zip": zipped(("<img src=x onerror=alert(2)>.cpp", b"int x;")),
        "=HYPERLINK(\"x\").zip": zipped(("server.cpp", b"\x7fELF\2\1\1\0")),
    }


@dataclass
class Class:
    """A class that has been graded, by student."""

    out: Path
    students: dict[str, dict[str, Any]]
    said: str
    connected: list[object]

    def score(self, student: str) -> float | None:
        assert self.students[student]["trouble"] is None
        return self.students[student]["score"]

    def told(self, student: str) -> str:
        """All that anybody reads about this submission."""
        return json.dumps(self.students[student], ensure_ascii=False)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    folder = tmp_path_factory.mktemp("hostile")
    source, out = folder / "class", folder / "out"
    source.mkdir()
    connected: list[object] = []
    with socket.create_server(("", 0)) as door, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(folder / "door"))
        local.listen()
        for listener in (door, local):
            threading.Thread(target=_count, args=(listener, connected), daemon=True).start()
        names = {
            "ROOT": ROOT, "OUT": out, "CLASS": source, "SOCKET": folder / "door",
            "PORT": door.getsockname()[1], "ADDRESS": _own_address(),
        }  # fmt: skip
        for attack in ATTACKS:
            text = hostile(attack)
            for name, value in names.items():
                text = text.replace(f"@{name}@", str(value))
            (source / attack.name).write_text(text, encoding="utf-8")
        for name, content in archives().items():
            (source / name).write_bytes(content)
        for neighbour, text in _neighbours().items():
            (source / f"{neighbour}.cpp").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "echolab", "class", str(source), "--out", str(out), "--lesson", "1"],
            env=os.environ | {"PYTHONPATH": str(HARNESS)},
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
        )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    found = json.loads((out / "gradebook.json").read_text(encoding="utf-8"))["students"]
    yield Class(out, {row["student"]: row for row in found}, done.stdout, connected)


def _count(listener: socket.socket, connected: list[object]) -> None:
    try:
        while True:
            connected.append(listener.accept())
    except OSError:
        pass  # the class has been graded


def _own_address() -> str:
    """One of this machine's addresses that is not the loopback's, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _neighbours() -> dict[str, str]:
    """Who hands in honest work besides."""
    return {
        "right": SOLUTION.read_text(encoding="utf-8"),
        "given": LESSON.source().read_text(encoding="utf-8"),
        "wrong": assemble(SOLUTION, WRONG.source, list(read_regions(WRONG.source)), []),
    }


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_an_attack_has_the_points_that_it_has_earned(graded: Class, attack: Path) -> None:
    told = graded.told(attack.stem)
    assert graded.score(attack.stem) == float(field(attack, "scores")), told
    assert re.search(field(attack, "says"), told), told


@pytest.mark.parametrize(
    ("student", "score", "says"),
    [
        ("links-in-a-zip", 0, "is a link"),
        ("links-in-a-tar", 0, "is a link or a device, and was not read"),
        ("climbs-out", 0, "does not compile"),
        ("bomb", 0, "is larger than 1 MiB, and was not read"),
        (r"\x1b]0;owned\x07two\nlines", 100, "is left out: lesson 1 has a server already"),
        ("<script>alert(1)<", 0, "does not compile"),
        ('=HYPERLINK("x")', 0, "is not source text"),
    ],
)  # fmt: skip
def test_archives_that_mean_harm_are_read_as_what_they_hold(
    graded: Class, student: str, score: float, says: str
) -> None:
    assert graded.score(student) == score
    assert says in graded.told(student)


def test_the_neighbours_results_are_those_they_would_have_had(graded: Class) -> None:
    def checks(student: str, status: str) -> set[str]:
        [report] = graded.students[student]["reports"]
        # A step that fails is tried once more by itself; what it failed with before counts here.
        found = [check for step in report["steps"] for check in [*step["checks"], *step.get("in_whole", [])]]
        return {check["id"] for check in found if check["status"] == status}

    assert graded.score("right") == 100
    assert graded.score("given") == 0
    assert checks("wrong", "fail") == WRONG.checks("fails")
    assert not any(checks(student, "error") for student in graded.students)


def test_nobody_gets_out(graded: Class) -> None:
    assert graded.connected == []
    assert not (ROOT / "full").exists() and not (graded.out / "full").exists()


def test_nothing_is_left_over(graded: Class) -> None:
    names = {path.stem for path in ATTACKS}
    left = [process for process in psutil.process_iter(["name", "cmdline"]) if process.info["name"] == "echolab-escaped"
            or names & {Path(word).name for word in process.info["cmdline"] or []}]  # fmt: skip
    assert left == []


def test_what_it_writes_to_a_terminal_is_plain(graded: Class) -> None:
    assert "\x1b" not in graded.said and "\a" not in graded.said


def test_the_pages_run_nothing_of_theirs(graded: Class, browser: Any) -> None:
    pages = [graded.out / "gradebook.html", *(graded.out / "students").glob("*.html")]
    assert len(pages) == len(graded.students) + 1
    for page in pages:
        browser.get(page.as_uri())
        assert "owned" not in browser.title
        assert browser.execute_script("return document.images.length") == 0
        assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


# -- what one program alone cannot show, or not in a short time


def test_a_compiler_that_would_go_on_for_ever_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kit._COMPILING, "processor", 1)
    kit.prepare()
    tmp_path.chmod(0o755)
    source = tmp_path / "server.cpp"
    source.write_text(
        "template <unsigned long P, int D> struct T : T<2 * P, D - 1>, T<2 * P + 1, D - 1> {};\n"
        "template <unsigned long P> struct T<P, 0> {};\n"
        "T<1, 60> endless;\n"
    )
    server = str(build.server(LESSON).relative_to(build.DIRECTORY))
    with pytest.raises(CompileError, match="by a limit of 1 s"):
        kit.compile(server, source, [tmp_path], tmp_path, Sandbox())


def test_many_small_processes_do_not_take_all_memory_together() -> None:
    hold = f"held = bytes([1]) * {60 << 20}; print(flush=True); import signal; signal.pause()"
    with _memory_guard(150 << 20) as said, ExitStack() as ended:
        for _ in range(4):
            holder = ended.enter_context(subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE))
            ended.callback(holder.kill)
        while not said:
            pass
    assert said == ["what was running had more than 150 MiB of memory, and was ended"]


def test_a_chapter_counts_with_the_headers_it_was_handed_in_with(tmp_path: Path) -> None:
    """What was found out about one student's chapter is not another's, whose header is another."""
    source = SOLUTION.read_text(encoding="utf-8")
    for old, new in (
        ("// #region step-1", '// #region step-1\n#include "mine.hpp"'),
        ("if (::listen(", "if (kBroken || ::listen("),
        ("// #region step-6", "#error the whole does not compile\n// #region step-6"),
    ):
        assert old in source
        source = source.replace(old, new)
    scores = []
    for header in ("#pragma once\nconstexpr bool kBroken = false;", "#pragma once\nconstexpr bool kBroken = true;"):
        files = {"server.cpp": source.encode(), "mine.hpp": header.encode()}
        graded = grade_submission(Submission("student", {1: files}), Settings((1,)))
        scores.append(graded.reports[1]["score"])
    assert scores[0] == 100 > scores[1]
