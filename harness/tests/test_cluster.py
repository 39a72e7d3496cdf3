"""A class on a Dask cluster, a real one on the loopback: whoever is lost there, no result is, and none comes twice."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import HARNESS, dask_cluster
from rich.console import Console

from echolab import classroom, gradebook, sandbox
from echolab.classroom import Order, grade_class
from echolab.course import lessons
from echolab.submission import Graded, Settings, Submission
from echolab.verdict import GraderTrouble

pytestmark = pytest.mark.skipif(not find_spec("distributed"), reason="python3-distributed is not installed")

SETTINGS = Settings((1,), sandboxed=False)
CLASS = [Submission(f"student-{n}", {}) for n in range(12)]
NAMES = sorted(submission.student for submission in CLASS)
LOST = "student-1"  # the first who grades this one never comes to an end
_FOLDER = "ECHOLAB_TEST_FOLDER"


def grade(submission: Submission, settings: Settings) -> Graded:
    """On a worker: what takes the place of a real grading. Notes who has been graded."""
    folder = Path(os.environ[_FOLDER])
    if submission.student == LOST:
        try:
            os.symlink(str(os.getpid()), folder / "grades-the-lost-one")
            threading.Event().wait()
        except FileExistsError:
            pass
    with (folder / f"graded-{os.getpid()}").open("a") as log:
        log.write(f"{submission.student}\n")
    return Graded(page="a page")


@dataclass
class Cluster:
    """A scheduler and two workers, each a process of its own."""

    address: str
    scheduler: subprocess.Popen[str]
    folder: Path

    def graded(self, but: int = 0) -> list[str]:
        """Everybody who has been graded, as often as they were; without what the process `but` has done."""
        logs = [log for log in self.folder.glob("graded-*") if log.name != f"graded-{but}"]
        return sorted(student for log in logs for student in log.read_text().split())

    def who_grades_the_lost_one(self) -> int:
        """Waits until somebody does; its pid."""
        while True:
            try:
                return int(os.readlink(self.folder / "grades-the-lost-one"))
            except FileNotFoundError:
                pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    environment = {"PYTHONPATH": f"{HARNESS}:{Path(__file__).parent}", _FOLDER: str(tmp_path)}
    with dask_cluster(tmp_path, 2, **environment) as (address, scheduler):
        yield Cluster(address, scheduler, tmp_path)


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classroom, "grade_submission", grade)
    monkeypatch.setattr(classroom.kit, "prepare", lambda lessons: None)


def run(cluster: Cluster, order: Order = Order(), scheduler: bool = True) -> list[str]:
    address = cluster.address if scheduler else None
    rows = grade_class(CLASS, cluster.folder / "out", SETTINGS, order, 2, address, Console(quiet=True))
    assert not [row.trouble for row in rows if row.trouble]
    return [row.student for row in rows]


def test_a_worker_that_is_killed_loses_nothing_and_nothing_comes_twice(cluster: Cluster, stubbed: None) -> None:
    with ThreadPoolExecutor() as pool:
        done = pool.submit(run, cluster)
        killed = cluster.who_grades_the_lost_one()
        os.kill(killed, signal.SIGKILL)
        assert done.result() == NAMES
    # What the killed worker had finished, and nobody had fetched yet, is lost with it, and graded again.
    by_the_other = cluster.graded(but=killed)
    assert by_the_other == sorted({*by_the_other}) and LOST in by_the_other
    assert {*cluster.graded()} == {*NAMES}


def test_a_cluster_that_goes_away_is_said_and_what_it_has_done_stays(
    cluster: Cluster, stubbed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor() as pool:
        done = pool.submit(run, cluster)
        cluster.who_grades_the_lost_one()
        while len(cluster.graded()) < len(CLASS) - 1:
            pass
        cluster.scheduler.kill()
        with pytest.raises(GraderTrouble, match="cluster has gone away; --resume goes on"):
            done.result()
    with gradebook.opened(cluster.folder / "out") as book:
        kept = book.students()
    monkeypatch.setenv(_FOLDER, str(cluster.folder))
    assert run(cluster, Order(resume=True), scheduler=False) == NAMES
    assert set(cluster.graded()) == set(NAMES)
    assert not {name for name in kept if cluster.graded().count(name) > 1}


def test_where_no_scheduler_answers_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classroom, "_ANSWERS", 1)
    with pytest.raises(GraderTrouble, match="no Dask scheduler answers at tcp://127.0.0.1:1"):
        grade_class(CLASS, tmp_path, SETTINGS, Order(), 2, "tcp://127.0.0.1:1", Console(quiet=True))


@pytest.mark.skipif(bool(sandbox.forbidden()), reason=str(sandbox.forbidden()))
def test_the_results_are_those_of_one_machine(cluster: Cluster) -> None:
    source = lessons()[0].source(solutions=True)
    (cluster.folder / "class" / "nobody").mkdir(parents=True)
    (cluster.folder / "class" / "right.cpp").write_bytes(source.read_bytes())
    (cluster.folder / "class" / "broken.cpp").write_text("#error // Lesson 1,")
    done = subprocess.run(
        [sys.executable, "-m", "echolab", "class", "class", "--out", "out", "--lesson", "1",
         "--scheduler", cluster.address],
        env=os.environ | {"PYTHONPATH": str(HARNESS)},
        cwd=cluster.folder,
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = json.loads((cluster.folder / "out/gradebook.json").read_text())["students"]
    assert {row["student"]: row["score"] for row in found} == {"right": 100, "broken": 0, "nobody": 0}
