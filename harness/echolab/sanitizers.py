"""What a sanitizer has printed, cut down to the lines of the student's file that it is about."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NAMES = ("tsan", "asan")
# How the sanitizers are told to report: at once, on stderr, and without ending the server (tsan).
ENVIRONMENT = (
    "TSAN_OPTIONS=halt_on_error=0:report_signal_unsafe=0:exitcode=0:color=never",
    # The last is for a witness, which is loaded before asan's own library.
    "ASAN_OPTIONS=detect_leaks=0:color=never:verify_asan_link_order=0",
)


@cache
def same_addresses() -> tuple[str, ...]:
    """How to start a program at the same addresses in each run: without that, tsan does not start on some
    kernels. Nothing where it is forbidden, as in a container (man 2 personality)."""
    command = ("setarch", "-R")
    done = subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return () if done.returncode else command


@dataclass(frozen=True)
class Finding:
    """One report: what it is, and the places in the student's file with the line of the first."""

    kind: str
    places: tuple[str, ...]
    line: int | None

    def __str__(self) -> str:
        return f"{self.kind}: {' and '.join(self.places) or 'outside of your file'}"


def could_not_start(printed: str) -> str | None:
    """Why the sanitizer itself does not work on this system, in its own words; else None."""
    found = re.search(r"FATAL: (ThreadSanitizer|AddressSanitizer): (.*)", printed)
    return found[0] if found else None


def first_finding(printed: str, source: Path) -> Finding | None:
    """The first report that is about `source`, or the first at all; None if there is none.

    A data race has two stacks, an overflow one and where the memory came from. Of each stack the
    innermost frame in `source` is kept: with what it did, the line, and the function.
    """
    reports = re.split(r"(?m)^=+$", printed)
    findings = [finding for text in reports if (finding := _finding(text, source))]
    return next((finding for finding in findings if finding.places), next(iter(findings), None))


def _finding(report: str, source: Path) -> Finding | None:
    head = re.search(r"(?:WARNING|ERROR): (?:Thread|Address)Sanitizer: ([\w -]+)", report)
    if not head:
        return None
    places: list[str] = []
    line = None
    file = re.escape("/".join(source.parts[-3:]))
    for stack in re.split(r"\n\s*\n", report):
        frame = re.search(rf"#\d+ .*?(\w+)\([^\n]*{file}:(\d+)", stack)
        if not frame:
            continue
        act = re.search(r"(?m)^\s*(Previous )?(atomic )?(write|read) of size", stack, re.IGNORECASE)
        did = f"{act[3].lower()} in " if act else ""
        place = f"{did}{source.name}:{frame[2]} ({frame[1]})"
        if (act or not places) and place not in places:
            places.append(place)
            line = line or int(frame[2])
    kind = head[1].strip().removesuffix(" on address").split(" on ")[0]
    return Finding(kind, tuple(places[:2]), line)
