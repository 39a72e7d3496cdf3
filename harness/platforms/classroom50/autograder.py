#!/usr/bin/env python3
"""What Classroom 50 runs for a submission: grades the checkout in the current folder, writes ./result.json.

Ends with 0 if there is a result, whatever it says; anything else is the grader's trouble. Needs nothing
but the standard library: harness/lab installs and finds the rest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LESSON = "@LESSON@".split()
SECONDS = "600"  # a job of Classroom 50 ends after 15 minutes, and the installation is one part of it


def main() -> int:
    lab = Path(__file__).resolve().parent / "echo-lab" / "harness" / "lab"
    command = [str(lab), "platform", "classroom50", ".", "result.json", *LESSON, "--seconds", SECONDS]
    if os.geteuid() != 0 and shutil.which("sudo"):
        # As root the grader can shut in what it grades also where ordinary users may not.
        command = ["sudo", "-n", "--preserve-env", "env", f"PATH={os.environ['PATH']}", *command]
    lab.chmod(0o755)
    Path("result.json").unlink(missing_ok=True)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
