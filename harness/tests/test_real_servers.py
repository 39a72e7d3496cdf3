"""Servers that nobody here wrote: the grader says of each what is true of it."""

import shutil
import sys
from pathlib import Path

import pytest
from conftest import grade_command

from echolab.report import Report, Status

FOLDER = Path(__file__).resolve().parents[1] / "peers"


def failed(report: Report) -> set[str]:
    assert not report.having(Status.ERROR) and not report.having(Status.BLOCKED)
    return {check.id for check in report.having(Status.FAIL)}


def needs(program: str) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def test_socat_gives_up_when_descriptors_run_out() -> None:
    needs("socat")
    report = grade_command("socat TCP-LISTEN:{port},reuseaddr,fork EXEC:cat")
    assert failed(report) == {"1.6.running_out_of_descriptors_is_survived"}


def test_ncat_loses_bytes_when_much_is_under_way() -> None:
    """It stands between the client and cat with two pipes: both full, ncat and cat wait for each
    other; and at a half-close it does not wait for what cat still holds. Whether either happens
    depends on who runs first, so only these checks may fail."""
    needs("ncat")
    assert failed(grade_command("ncat -l {port} -k -e /bin/cat")) <= {
        "1.4.eight_mib_reach_a_client_that_reads_late",
        "1.4.a_signal_in_the_middle_of_a_write_loses_nothing",
        "1.5.after_a_half_close_everything_comes_back_then_the_end",
    }


def test_xinetd_goes_on_without_its_port_and_rests_when_descriptors_run_out(tmp_path: Path) -> None:
    """It says in its log that bind failed, and stays with no service; without a descriptor for the
    next client it closes the listener for 10 seconds, and refuses everybody meanwhile."""
    needs("xinetd")
    report = grade_command(f"sh '{FOLDER / 'xinetd_echo.sh'}' {{port}} '{tmp_path}'")
    assert failed(report) == {
        "1.1.a_taken_port_is_said_and_ends_it",
        "1.6.running_out_of_descriptors_is_survived",
    }


@pytest.mark.parametrize("model", ["TCPServer", "ForkingTCPServer", "ThreadingTCPServer"])
def test_pythons_socketserver_does_not_reuse_its_address(model: str) -> None:
    report = grade_command(f"{sys.executable} '{FOLDER / 'socketserver_echo.py'}' {model} {{port}}")
    assert failed(report) == {"1.1.it_starts_again_at_once_on_the_port_it_just_used"}
