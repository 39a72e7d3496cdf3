"""The grader as a platform runs it: what a student has submitted goes in, the platform's result file comes out.

    harness/lab platform prepare
    harness/lab platform gradescope|prairielearn|classroom50 FOLDER RESULT [--lesson N] [--seconds S]

The first builds what all submissions share; the packages of `lab export` call it when they are installed.
The second ends with 0 if there is a result, whatever it says; with 3 if the grader could not do its work.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from echolab import collecting, kit, output, sandbox
from echolab.course import UnknownLesson, find, lessons
from echolab.report import prairielearn
from echolab.report.platforms import PLATFORMS
from echolab.report.shares import TROUBLE, clipped
from echolab.submission import Settings, grade_submission
from echolab.verdict import GraderTrouble

# Where a platform's result has a text for the student, which is told what collecting had to say.
_TEXT = {"gradescope": "output", "prairielearn": "message"}
_SECONDS = 540  # Gradescope and PrairieLearn give a container ten minutes


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.platform == "prepare":
            kit.prepare()
            return 0
        output.check_writable(options.result)
        result = grade(options.platform, options.folder, options.lesson, options.seconds)
        output.write_whole(options.result, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    except (GraderTrouble, OSError, output.NotWritable) as error:
        return _troubled(options, str(error))
    except UnknownLesson as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab platform")
    verbs = parser.add_subparsers(dest="platform", required=True)
    verbs.add_parser("prepare")
    for name in PLATFORMS:
        verb = verbs.add_parser(name)
        verb.add_argument("folder", type=Path)
        verb.add_argument("result", type=Path)
        verb.add_argument("--lesson", default="")
        verb.add_argument("--seconds", type=float, default=_SECONDS)
    return parser


def grade(platform: str, folder: Path, lesson: str = "", seconds: float = _SECONDS) -> dict[str, Any]:
    """The platform's result for what is in `folder`, for one lesson or all of them.

    Raises GraderTrouble, UnknownLesson, OSError.
    """
    only = find(lesson)[0] if lesson else None
    tree = folder / "lessons"  # of somebody who has handed in a copy of the whole course
    submission = collecting.one(tree if tree.is_dir() and not tree.is_symlink() else folder, only)
    numbers = (only.number,) if only else tuple(lesson.number for lesson in lessons())
    # A container's root may not be allowed to make a box; then permissions have to do.
    walls = os.geteuid() != 0 or not sandbox.forbidden()
    graded = grade_submission(submission, Settings(numbers, True, seconds, platform, walls))
    if graded.trouble or graded.result is None:
        raise GraderTrouble(graded.trouble or "the grader of this submission has ended without a result")
    if platform in _TEXT and (text := graded.result.get(_TEXT[platform])):
        graded.result[_TEXT[platform]] = "\n".join([text, *map(clipped, submission.notes)])
    return graded.result


def _troubled(options: argparse.Namespace, why: str) -> int:
    """PrairieLearn shows its student nothing but a result; elsewhere none is the sign of trouble."""
    print(f"lab: {why}", file=sys.stderr)
    if options.platform == "prairielearn":
        data = prairielearn.not_gradable([TROUBLE, clipped(why)])
        try:
            output.write_whole(options.result, json.dumps(data) + "\n")
        except output.NotWritable as error:
            print(f"lab: {error}", file=sys.stderr)
    return 3
