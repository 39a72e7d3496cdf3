"""The annotated docs: what they quote is in the tree, both languages say the same, nothing they point to is missing."""

import json
import os
import re
import shutil
import subprocess
import sys
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from types import ModuleType

import pytest

from echolab import build, reference, site
from echolab.course import ROOT, lessons
from echolab.pages import CHINESE, DOCS, ENGLISH, Block, Page, pages
from echolab.regions import read_regions

HERE = Path(__file__).parent
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None
)
ALL = pages(ENGLISH) + pages(CHINESE)
each_page = pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
each_english_page = pytest.mark.parametrize("page", pages(ENGLISH), ids=lambda page: page.name)


# ---- The code that the chapters show


def test_every_step_of_every_solution_is_shown_once_in_each_language() -> None:
    for language in (ENGLISH, CHINESE):
        shown = [
            (region.source, region.step) for page in pages(language) for region in page.regions
        ]
        steps = [
            (lesson.source(solutions=True), step.number)
            for lesson in lessons()
            for step in lesson.steps
        ]
        assert sorted(shown) == sorted(steps)


@each_page
def test_every_note_stands_at_a_line_that_exists(page: Page) -> None:
    for region in page.regions:
        assert region.lines()
        assert region.step in read_regions(region.source)


@each_english_page
def test_every_note_has_its_text_in_both_languages(page: Page) -> None:
    both = zip(page.regions, page.counterpart.regions, strict=True)
    for english, chinese in both:
        assert (english.source, english.step) == (chinese.source, chinese.step)
        assert [note.code for note in english.notes] == [note.code for note in chinese.notes]
        assert all(len(note.text) > 10 for note in english.notes)
        assert all(re.search(r"[\u4e00-\u9fff]", note.text) for note in chinese.notes)


# ---- Two languages


def test_both_languages_have_the_same_pages() -> None:
    assert [page.counterpart.path for page in pages(ENGLISH)] == [
        page.path for page in pages(CHINESE)
    ]


@each_english_page
def test_both_languages_have_the_same_headings_and_commands(page: Page) -> None:
    chinese = page.counterpart
    assert [level for level, _ in page.headings] == [level for level, _ in chinese.headings]
    assert _code(page) == _code(chinese)


def _code(page: Page) -> list[Block]:
    return [block for block in page.blocks if block.language in ("sh", "python")]


@pytest.mark.parametrize("page", pages(CHINESE), ids=lambda page: page.name)
def test_a_translation_knows_the_version_that_it_translates(page: Page) -> None:
    assert page.translates and re.fullmatch("[0-9a-f]{10,40}", page.translates)


def test_a_translation_that_is_behind_is_found_out_and_can_be_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    english, chinese = tmp_path / "en", tmp_path / "zh"
    monkeypatch.setattr("echolab.pages.ROOT", tmp_path)
    monkeypatch.setattr("echolab.pages.ENGLISH", english)
    monkeypatch.setattr("echolab.pages.CHINESE", chinese)
    for folder in (english, chinese):
        folder.mkdir()
    (english / "page.md").write_text("# New\n")
    (chinese / "page.md").write_text("---\ntranslates: 0123456789\n---\n\n# 旧\n")
    page = Page(chinese / "page.md")
    assert page.behind
    page.mark_translated()
    assert not Page(chinese / "page.md").behind


# ---- Links and anchors


@each_page
def test_every_link_leads_to_something(page: Page) -> None:
    for link in page.links:
        path, _, wanted = link.partition("#")
        if re.match(r"https?:|/", path):
            continue  # the site's build looks after addresses that begin with a slash
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        if wanted and target.suffix == ".md":
            assert wanted in Page(target).anchors, link


def test_what_the_grader_prints_is_a_heading_of_a_page() -> None:
    for lesson in lessons():
        for step in lesson.steps:
            path, _, wanted = step.docs.partition("#")
            assert wanted in Page(ROOT / path).anchors, step.docs


# ---- Checks and wrong servers that are named


def _checks() -> dict[str, set[str]]:
    """The ids of all checks, LESSON.STEP.NAME, by lesson."""
    script = (
        "import sys, importlib, json; sys.path[:0] = sys.argv[1:]\n"
        "print(json.dumps({n: [f'{n}.{f.check.step}.{name}' for name, f in vars(importlib.import_module(f'lesson_{n}'))"
        ".items() if hasattr(f, 'check')] for n in '1234'}))"
    )
    folders = [str(ROOT / "harness"), str(ROOT / "harness" / "checks")]
    found = subprocess.run(
        [sys.executable, "-c", script, *folders], capture_output=True, text=True, check=True
    )
    return {lesson: set(ids) for lesson, ids in json.loads(found.stdout).items()}


def test_every_check_that_a_page_names_exists() -> None:
    known = set().union(*_checks().values())
    for page in ALL:
        named = set(re.findall(r"`(\d\.\d\.[a-z]\w+)`", page.text))
        assert named <= known, (page.name, named - known)


def test_every_wrong_server_of_the_errata_fails_the_check_that_is_named_with_it() -> None:
    for language in (ENGLISH, CHINESE):
        page = Page(language / "errata.md")
        told = 0
        for entry in page.text.split("\n### ")[1:]:
            for path in re.findall(r"\(([^)]+/mutants/[^)]+\.cpp)\)", entry):
                head = (
                    (page.path.parent / path)
                    .resolve()
                    .read_text(encoding="utf-8")
                    .split("// #region")[0]
                )
                fails = re.search(r"fails: ((?:.|\n)*?)\n// cause", head)
                assert fails, path
                failing = set(re.findall(r"\d\.\d\.\w+", fails[1]))
                named = {
                    name
                    for name in re.findall(r"`(\d\.\d\.\w+)`", entry)
                    if not name.startswith("_")
                }
                assert "?" in fails[1] or failing & named, (path, named)
                told += 1
        assert told >= 20


# ---- Commands that are shown


def _runnable() -> list[tuple[str, Block, str]]:
    """Page, block and the output that is promised: a `text` block that follows, if there is one."""
    found = []
    for page in pages(ENGLISH):
        blocks = page.blocks
        for block, following in zip(blocks, [*blocks[1:], Block("", "", "")], strict=False):
            if block.language == "sh" and not block.remark:
                found.append(
                    (page.name, block, following.text if following.language == "text" else "")
                )
    return found


def test_a_command_that_is_not_run_says_why() -> None:
    for page in ALL:
        for block in page.blocks:
            if block.language == "sh" and block.remark:
                assert re.fullmatch(r"not-run: \w.+", block.remark), page.name


# Before each command all that has been started settles, as it would for somebody who types.
_TYPIST = r"""
settle() {
  local quiet=0 stat state
  while [ $quiet -lt 3 ]; do
    quiet=$((quiet + 1))
    for stat in /proc/[0-9]*/task/[0-9]*/stat; do
      case $stat in /proc/$$/* | /proc/$BASHPID/*) continue ;; esac
      { read -r state <"$stat"; } 2>/dev/null || continue
      case ${state##*) } in [RD]*) quiet=0 ;; esac
    done
  done
}
trap settle DEBUG
trap 'code=$?; [ $code -ne 127 ] || exit 127' ERR
"""


@pytest.mark.parametrize(
    ("page", "block", "promised"),
    _runnable(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_command_that_is_shown_runs(page: str, block: Block, promised: str) -> None:
    for command in re.findall(r"harness/lab (\w+)", block.text):
        if command not in reference.names():
            pytest.skip(f"there is no lab {command} here")
    alone = [
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine allows no namespaces, and port 8080 may be somebody else's")
    binaries = re.findall(r"build/(\S+/(?:server|server_test))\b", block.text)
    build.build(*[build.DIRECTORY / name for name in set(binaries)])
    up = "import socket, struct, fcntl; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"
    script = f'{sys.executable} -c "{up}"\n{_TYPIST}\n{block.text}'
    lab = f'#!/bin/sh\nPYTHONPATH={ROOT}/harness exec {sys.executable} -P -m echolab "$@"\n'
    text = script.replace("harness/lab ", "run_lab ").replace(
        "trap settle", f"run_lab() {{ sh -c '{lab[10:]}' lab \"$@\"; }}\ntrap settle", 1
    )
    done = subprocess.run(
        [*alone, "bash", "-c", text], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False, env=os.environ | {"COLUMNS": "120"},
    )  # fmt: skip
    assert done.returncode not in (2, 3, 126, 127), done.stderr
    if promised:
        wanted = promised.replace("…", "...")
        assert OutputChecker().check_output(wanted, done.stdout, ELLIPSIS), (
            done.stdout + done.stderr
        )


def test_the_worked_example_is_a_check() -> None:
    example = next(
        block
        for block in Page(ENGLISH / "instructors/course.md").blocks
        if block.language == "python"
    )
    module = ModuleType("example")
    exec(
        "from echolab.client import Client\nfrom echolab.verdict import check, expect\n"
        + example.text,
        vars(module),
    )
    assert module.an_empty_line_comes_back.check.step == 3


# ---- The reference, and what is missing


def test_every_command_and_option_is_in_the_reference() -> None:
    for language in ("en", "zh"):
        text = reference.commands(language)
        for name in reference.names():
            assert f"### lab {name}\n" in text
        assert "`--server`" in text and "`--json`" in text


def test_without_node_it_says_so_and_exits_with_3(lab, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = lab("docs", PATH=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.startswith("lab: Node.js is not installed; the rest of the lab works")
    assert done.stderr.count("\n") == 1


def test_without_the_registry_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text(
        "#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\necho 'npm error request failed, no network' >&2\nexit 1\n"
    )
    npm.chmod(0o755)
    monkeypatch.setattr(site, "DOCS", tmp_path)
    (tmp_path / "package-lock.json").write_text("{}")
    with pytest.raises(
        site.GraderTrouble,
        match="npm could not fetch the site's packages: request failed, no network",
    ):
        site.install(str(npm), lambda said: None)


def test_the_lock_file_is_whole_and_names_no_registry_of_this_machine() -> None:
    lock = json.loads((DOCS / "package-lock.json").read_text(encoding="utf-8"))
    for name, package in lock["packages"].items():
        for needed in package.get("optionalDependencies", {}):  # of other systems: npm ci asks for these too
            assert f"node_modules/{needed}" in lock["packages"], f"{name} wants {needed}"
        assert package.get("resolved", "https://registry.npmjs.org/").startswith(
            "https://registry.npmjs.org/"
        ), name


# ---- The site


@pytest.fixture(scope="module")
def dist() -> Path:
    if not (DOCS / "node_modules" / ".package-lock.json").exists():
        pytest.skip("the site's packages are not here (harness/lab docs fetches them)")
    return site.build(lambda said: None)


def test_the_site_is_built_and_asks_no_other_host_for_anything(dist: Path) -> None:
    for page in dist.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//", text), page
        ids = re.findall(r' id="([^"]+)"', text)
        wanted = [link for link in re.findall(r'href="#([^"]+)"', text)]
        assert {*wanted} <= {*ids}, page


def test_a_walk_through_the_site(dist: Path, tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("there is no Chromium here")
    done = subprocess.run(
        ["node", str(HERE / "walk.mjs"), CHROMIUM, str(dist), str(DOCS), str(tmp_path)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["errors"] == [] and seen["foreign"] == []
    assert (
        seen["switched"].endswith("/zh/1-single-process.html")
        or "/zh/1-single-process" in seen["switched"]
    )
    for query, titles in seen["searches"].items():
        assert titles, f"nothing found for {query}"
    assert seen["timelines"] and all(width > 0 for width in seen["timelines"])
    assert seen["overflow"] == {}
    assert max(seen["script_bytes"].values()) <= 200_000, seen["script_bytes"]
    assert seen["accessibility"] == {}
