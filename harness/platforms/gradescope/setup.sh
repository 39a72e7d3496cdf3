#!/bin/sh
# Once, when Gradescope makes the image: installs what the grader needs and builds what all submissions share.
set -eu
cd "$(dirname "$(readlink -f "$0")")/echo-lab"
harness/lab platform prepare
