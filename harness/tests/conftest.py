"""The harness's own tests find the package, and share how they run the lab."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HARNESS))

from echolab import build, course  # noqa: E402
from echolab.grading import Target, grade  # noqa: E402
from echolab.report import Report  # noqa: E402
from echolab.server import Command  # noqa: E402

Lab = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write golden reports anew where they differ")


@pytest.fixture
def lab() -> Lab:
    """Runs `python3 -m echolab …` as its user would; stdout and stderr apart."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "echolab", *arguments],
            env=os.environ | {"PYTHONPATH": str(HARNESS), "COLUMNS": "200"} | environment,
            cwd=course.ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def warden() -> Path:
    build.build(build.WARDEN)
    return build.WARDEN


def grade_command(text: str, lesson: str = "1") -> Report:
    """Grades a server by its command line, in this process."""
    found, step = course.find(lesson)
    return grade(Target(found, command=Command.parse(text)), step)


def step_binaries(lesson: course.Lesson) -> list[Path]:
    """The stepwise executables of a lesson, in order; build() has to be called on them."""
    folder = build.server(lesson, solutions=True).parent
    return [folder / f"step-{step.number}" for step in lesson.steps]


@contextmanager
def dask_cluster(folder: Path, workers: int, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A Dask scheduler and so many workers on the loopback: the scheduler's address, and its process."""

    def start(kind: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *options],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE if kind == "scheduler" else subprocess.DEVNULL,
            cwd=folder,
            text=True,
        )
        ended.callback(process.communicate)
        ended.callback(process.kill)
        return process

    with ExitStack() as ended:
        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
        assert scheduler.stderr
        address = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
        threading.Thread(target=scheduler.stderr.read, daemon=True).start()
        for _ in range(workers):
            start("worker", address, "--no-nanny", "--nthreads", "1", "--memory-limit", "0")
        yield address, scheduler


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A Selenium driver of headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in (
        *("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync", "disable-dev-shm-usage"),
    ):
        options.add_argument(f"--{word}")
    started = webdriver.Chrome(service=webdriver.chrome.service.Service(driver), options=options)
    yield started
    started.quit()
