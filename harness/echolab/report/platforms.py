"""The forms in which a platform wants a result, by its name."""

from echolab.report import classroom50, gradescope, prairielearn

PLATFORMS = {"gradescope": gradescope, "prairielearn": prairielearn, "classroom50": classroom50}
