"""A class of two hundred, graded twice, and what that takes: python3 harness/tests/at_scale.py [--few N]

Every wrong server whose verdict is known, each step's and each lesson's solution is a submission of its own;
a few hold all four lessons, some nothing, or no source. They are graded by `lab class` of this machine and
again by two Dask workers. Both gradebooks have to have the same verdict on every check (but for those of which a
wrong server's header says that they fail in some runs only), and no submission may cost the grader trouble. Which
cause and line are named may differ where several are to be seen: which two threads a sanitizer has caught, say.

Measured beside that, each as a ratio within one run, on a machine that has nothing else to do:
- the memory of `lab class` after the first twentieth of the class, until the last is graded, to that before;
- processor time of one submission of all four lessons, and of compiling it alone with the same flags;
- submissions a minute with two Dask workers, and with one, in turn.

--few: only so many submissions, evenly chosen. Exit status: 0 if all numbers are as wanted, else 1.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
from conftest import HARNESS, dask_cluster

from echolab import build, gradebook, kit, sanitizers, sandbox
from echolab.course import ROOT, Lesson, lessons
from echolab.known import catalogue
from echolab.regions import assemble, read_regions
from echolab.submission import Settings, Submission, grade_submission
from echolab.verdict import GraderTrouble

ROUNDS = 5
MOST_CPU, MOST_GROWTH, LEAST_SPEED_UP = 1.5, 1.1, 0.9
_ENVIRONMENT = {"PYTHONPATH": str(HARNESS), "COLUMNS": "120"}


def plain(source: str) -> str:
    """Without what tells the compiler where a line is from: a student's file has none."""
    return "\n".join(line for line in source.splitlines() if not line.startswith("#line ")) + "\n"


def sources() -> Iterator[tuple[str, Lesson, str]]:
    """Name, lesson and server.cpp of what one lesson can be handed in as."""
    for lesson in lessons():
        solution, handed_out = lesson.source(solutions=True), lesson.source()
        yield f"{lesson.number}-solution", lesson, solution.read_text("utf-8")
        for step in lesson.steps:
            done = [other.number for other in lesson.steps if other.number <= step.number]
            yield f"{step.id}-step", lesson, plain(assemble(handed_out, solution, done, []))
    for known in catalogue():
        if known.is_wrong:
            solution = known.lesson.source(solutions=True)
            chapters = list(read_regions(known.source))
            yield known.id, known.lesson, plain(assemble(solution, known.source, chapters, []))


def make_class(folder: Path, few: int | None) -> list[str]:
    """Writes the submissions, a folder each; returns their names."""
    files = {name: {lesson: text} for name, lesson, text in sources()}
    whole = {lesson: lesson.source(solutions=True).read_text("utf-8") for lesson in lessons()}
    files |= {f"whole-course-{n}": whole for n in range(3)}
    files |= {"nothing": {}, "no-source": {lessons()[0]: "\x7fELF\0"}}
    names = sorted(files)
    names = names[:: max(1, len(names) // few)] if few else names
    for name in names:
        (folder / name).mkdir(parents=True)
        for lesson, text in files[name].items():
            source = folder / name / lesson.source().relative_to(lesson.root)
            source.parent.mkdir(parents=True)
            source.write_text(text, "utf-8")
    return names


def grade(folder: Path, out: Path, *options: str) -> tuple[float, dict[int, int]]:
    """Runs `lab class`; the seconds that it took, and its memory (bytes) by how many were graded then."""
    memory: dict[int, int] = {}
    begun = time.monotonic()
    command = [sys.executable, "-m", "echolab", "class", str(folder), "--out", str(out), *options]
    with tempfile.TemporaryFile("w+") as said:
        running = psutil.Popen(command, env=os.environ | _ENVIRONMENT, stdout=said, stderr=said)
        while running.poll() is None:
            with suppress(psutil.Error, sqlite3.Error):
                memory[graded(out)] = running.memory_info().rss
            with suppress(psutil.TimeoutExpired):
                running.wait(1)
        seconds = time.monotonic() - begun
        said.seek(0)
        if running.returncode:
            raise GraderTrouble(f"lab class has ended with {running.returncode}:\n{said.read()[-2000:]}")
    return seconds, memory


def graded(out: Path) -> int:
    with closing(sqlite3.connect(f"file:{out / gradebook.NAME}?mode=ro", uri=True)) as book:
        return int(book.execute("SELECT count(*) FROM submission").fetchone()[0])


def verdicts(out: Path) -> dict[str, Any]:
    """By student and check what a gradebook says, without what may be another in each run."""
    perhaps = {known.id: known.checks("perhaps") for known in catalogue()}
    students = json.loads((out / "gradebook.json").read_text("utf-8"))["students"]
    return {
        f"{student['student']} {check['id']}": [check["status"], check.get("cause"), check.get("where")]
        for student in students
        for report in student["reports"]
        for step in report["steps"]
        for check in step["checks"]
        if check["id"] not in perhaps.get(student["student"], ())
    }


def processor_time() -> tuple[float, float, float]:
    """Seconds of it for a submission of all four lessons, right ones; for compiling its files with the same
    flags, without the kit's precompiled headers; and for those of them alone that have no sanitizer in them."""
    whole = {lesson.number: {"server.cpp": lesson.source(solutions=True).read_bytes()} for lesson in lessons()}
    settings = Settings(tuple(whole), sandboxed=not sandbox.forbidden())
    begun = _used()
    if trouble := grade_submission(Submission("right", whole), settings).trouble:
        raise GraderTrouble(trouble)
    all_of_it = _used() - begun
    alone = {kind: _compiling(kind) for kind in (None, *sanitizers.NAMES)}
    return all_of_it, sum(alone.values()), alone[None]


def _compiling(kind: str | None) -> float:
    begun = _used()
    with tempfile.TemporaryDirectory() as folder:
        for lesson in lessons():
            name = kit.server(lesson, kind)
            if kit.makes(name):
                made = {"object": f"{folder}/server.o", "binary": f"{folder}/server"}
                script = kit.recipe_of(name).script(source=lesson.source(solutions=True), **made)
                subprocess.run(["sh", "-c", script.replace(str(kit.KIT), str(ROOT))], check=True)
    return _used() - begun


def _used() -> float:
    """Seconds that all processors of this machine have worked: who is killed with its sandbox reports to nobody."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq


def speed_up(folder: Path, place: Path) -> float:
    """How many times one Dask worker's submissions a minute two manage."""
    seconds = []
    for workers in (1, 2):
        with dask_cluster(place, workers, **_ENVIRONMENT) as (address, _):
            seconds.append(grade(folder, place / f"by-{workers}", "--scheduler", address)[0])
    return seconds[0] / seconds[1]


def said(what: str, value: float, wanted: float, good: bool) -> bool:
    print(f"{what}: {value:.2f} (wanted: {wanted:g}){'' if good else '  NOT as wanted'}", flush=True)
    return good


def main(few: int | None) -> int:
    kit.prepare(tuple(lesson.number for lesson in lessons()))
    with tempfile.TemporaryDirectory(prefix="echolab-") as name:
        place = Path(name)
        names = make_class(place / "class", few)
        seconds, memory = grade(place / "class", place / "here")
        print(f"{len(names)} submissions graded by this machine: {seconds / 60:.1f} min", flush=True)
        with dask_cluster(place, 2, **_ENVIRONMENT) as (address, _):
            seconds, _ = grade(place / "class", place / "there", "--scheduler", address)
        print(f"and by two Dask workers: {seconds / 60:.1f} min", flush=True)
        first, second = verdicts(place / "here"), verdicts(place / "there")
        other = {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}
        for key in sorted(other):
            print(f"  {key}: {first.get(key)}, then {second.get(key)}")
        verdict = {key for key in other if first.get(key, [None])[0] != second.get(key, [None])[0]}
        print(f"{len(first):,} verdicts on checks, {len(verdict)} of them not the same the second time", flush=True)
        print(f"  and another cause or line for {len(other - verdict)}: what was seen first, of several", flush=True)
        good = [not verdict]
        begin = max(1, len(names) // 20)
        early = max(size for count, size in memory.items() if count <= begin)
        late = max(size for count, size in memory.items() if begin < count < len(names))
        good.append(said(f"memory after the first {begin} to that before", late / early, MOST_GROWTH, late <= MOST_GROWTH * early))
        make_class(place / "few", max(1, len(names) // 4))
        ratio = speed_up(place / "few", place)
        good.append(said("submissions a minute, two Dask workers to one", ratio / 2, LEAST_SPEED_UP, ratio >= 2 * LEAST_SPEED_UP))
    times = [processor_time() for _ in range(ROUNDS)]
    cost = statistics.median(whole / same for whole, same, _ in times)
    good.append(said("processor time of a submission to compiling it with the same flags", cost, MOST_CPU, cost <= MOST_CPU))
    print(f"  to compiling its four files once, without sanitizers: {statistics.median(w / p for w, _, p in times):.2f}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--few", metavar="N", type=int)
    try:
        code = main(parser.parse_args().few)
    except (GraderTrouble, build.CompileError) as error:
        print(f"at_scale: {error}", file=sys.stderr)
        code = 3
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
