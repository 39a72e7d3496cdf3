#!/bin/sh
# The grader's entry point: grades /grade/student as a submission for lesson $1. PrairieLearn makes no
# /grade/results. What is graded is another user, who is to read none of this.
mkdir -p /grade/results
chmod 700 /grade/results /grade/student
chmod -f 700 /grade/data /grade/tests /grade/serverFilesCourse
exec /echo-lab/harness/lab platform prairielearn /grade/student /grade/results/results.json --lesson "$1"
