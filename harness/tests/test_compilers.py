"""Everything compiles without a warning with the other compiler as well."""

import json
import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from echolab import build

# Catch2's headers take seconds each, and the unit tests are no part of what students build.
SKIPPED = ("_test.cpp", "catch_main.cpp")


def test_clang_finds_nothing_to_warn_about() -> None:
    if not shutil.which("clang++"):
        pytest.skip("clang++ is not installed")
    build.build(build.WARDEN)
    entries = json.loads((build.DIRECTORY / "compile_commands.json").read_text(encoding="utf-8"))
    # Each file once, with the flags of one of the programs that it is part of.
    wanted = {e["file"]: e for e in entries if e["file"].startswith("../")}
    chosen = [entry for file, entry in wanted.items() if not file.endswith(SKIPPED)]
    assert chosen
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(syntax_errors, chosen))
    assert [text for text in said if text] == []


def syntax_errors(entry: dict[str, str]) -> str:
    words = shlex.split(entry["command"])[1:]
    kept = words[: words.index("-MD")]
    done = subprocess.run(
        ["clang++", *kept, "-Werror", "-Wno-unknown-warning-option", "-fsyntax-only", entry["file"]],
        cwd=entry["directory"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""
