"""The site of the annotated docs: what is generated for it, its build with VitePress, and showing it.

Node.js is needed for this alone; without it, or without npm's registry, the rest of the lab works.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from echolab import reference
from echolab.pages import CHINESE, DOCS, ENGLISH, Page, pages
from echolab.verdict import GraderTrouble

DIST = DOCS / ".vitepress" / "dist"
FIGURES = DOCS / "figures"
OLDEST_NODE = 18
_WITHOUT = "the rest of the lab works without the docs' site, and docs/en is readable as it is"


class BuildFailed(Exception):
    """The pages do not make a site: a dead link, a note without its line. The text says where."""


def build(say: Callable[[str], None]) -> Path:
    """Builds the site. Raises GraderTrouble without Node.js or its packages, BuildFailed for the pages' faults."""
    npm = _npm()
    install(npm, say)
    generate()
    begin = time.monotonic()
    done = _run([npm, "run", "--silent", "build"])
    if done.returncode != 0:
        raise BuildFailed(_fault(done.stdout + done.stderr))
    files = [path for path in DIST.rglob("*") if path.is_file()]
    built = sum(path.suffix == ".html" for path in files)
    size = sum(path.stat().st_size for path in files) / 1e6
    say(
        f"{built} pages, {size:.1f} MB, in {time.monotonic() - begin:.0f} s: {DIST.relative_to(DOCS.parent)}"
    )
    return DIST


def _npm() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise GraderTrouble(f"{'npm' if node else 'Node.js'} is not installed; {_WITHOUT}")
    version = _run([node, "--version"]).stdout.strip()
    if int(re.sub(r"^v(\d+).*", r"\1", version) or 0) < OLDEST_NODE:
        raise GraderTrouble(
            f"Node.js {version} is too old, {OLDEST_NODE} is the oldest that will do; {_WITHOUT}"
        )
    return npm


def install(npm: str, say: Callable[[str], None]) -> None:
    """Fetches the packages that package-lock.json names, unless they are here. Raises GraderTrouble."""
    installed = DOCS / "node_modules" / ".package-lock.json"
    if (
        installed.exists()
        and installed.stat().st_mtime >= (DOCS / "package-lock.json").stat().st_mtime
    ):
        return
    say("fetching VitePress with npm (once)")
    done = _run(
        [npm, "ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000"]
    )
    if done.returncode != 0:
        raise GraderTrouble(
            f"npm could not fetch the site's packages: {_npm_reason(done.stderr)}; {_WITHOUT}"
        )
    installed.touch()


def generate() -> None:
    """Writes the reference of the commands, which the pages include."""
    folder = DOCS / "generated"
    folder.mkdir(exist_ok=True)
    for language in ("en", "zh"):
        (folder / f"commands.{language}.md").write_text(
            reference.commands(language), encoding="utf-8"
        )


def serve(port: int, say: Callable[[str], None]) -> int:
    """Shows the built site on this machine until Ctrl-C; its exit code."""
    say(f"http://127.0.0.1:{port}/  (Ctrl-C ends it)")
    command = [
        "node",
        "node_modules/vitepress/bin/vitepress.js",
        "preview",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with subprocess.Popen(
        command, cwd=DOCS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as server:
        try:
            return server.wait()
        finally:
            server.terminate()


def figures_wanted() -> list[tuple[int, str]]:
    """Lesson and scenario of every timeline that a page shows: ../figures/LESSON-SCENARIO.svg."""
    links = {
        link for language in (ENGLISH, CHINESE) for page in pages(language) for link in page.links
    }
    found = {match for link in links if (match := re.search(r"figures/(\d)-([\w-]+)\.svg$", link))}
    return sorted({(int(match[1]), match[2]) for match in found})


def draw_figures(say: Callable[[str], None]) -> None:
    """Draws every timeline that the pages show from a new run of the solutions. Raises GraderTrouble."""
    FIGURES.mkdir(exist_ok=True)
    for lesson, scenario in figures_wanted():
        path = FIGURES / f"{lesson}-{scenario}.svg"
        lab = [sys.executable, "-m", "echolab", "trace", str(lesson)]
        done = _run([*lab, "--scenario", scenario, "--solutions", "--out", str(path)])
        if done.returncode != 0:
            raise GraderTrouble(f"{path.name} was not drawn: {done.stderr.strip()}")
        say(str(path.relative_to(DOCS.parent)))


def translations() -> list[tuple[Page, str]]:
    """Every English page, and how its translation stands: up to date, behind, or missing."""
    stands = []
    for page in pages(ENGLISH):
        chinese = page.counterpart
        if not chinese.path.exists():
            stands.append((page, "missing"))
        elif chinese.behind:
            stands.append((page, f"behind: git diff {chinese.translates} HEAD:{page.name}"))
        else:
            stands.append((page, "up to date"))
    return stands


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=DOCS,
        env=os.environ | {"NO_COLOR": "1", "CI": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _npm_reason(said: str) -> str:
    lines = [
        line.removeprefix("npm error ")
        for line in said.splitlines()
        if line.startswith("npm error ")
    ]
    told = [
        line for line in lines if not re.match(r"(code|errno|A complete log|syscall|\s*$)", line)
    ]
    return (told or lines or ["no reason given"])[0].strip()


def _fault(said: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    wanted = re.findall(
        r"^\(!\) Found dead link .*$|^\[vitepress\] .*$|^.*[Ee]rror: .*$", plain, re.MULTILINE
    )
    return "\n".join(dict.fromkeys(wanted)) or "\n".join(plain.strip().splitlines()[-8:])
