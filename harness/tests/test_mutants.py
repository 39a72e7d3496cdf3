"""The catalogue of servers whose verdict is known (echolab/known.py): what `lab prove` goes by."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from echolab import build  # noqa: E402
from echolab.grading import grade  # noqa: E402
from echolab.known import Known, Verdict, catalogue, told  # noqa: E402

ALL = catalogue()
STYLES = [server for server in ALL if not server.is_wrong]


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> None:
    """All that are to be graded, built in one go."""
    params = [v for i in request.session.items for v in getattr(i, "callspec").params.values()]
    build.build(*{binary for server in params for binary in server.binaries})


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.id)
def test_a_right_server_passes_in_whatever_style(built: None, style: Known) -> None:
    report = grade(style.target)
    assert style.judge(report) is Verdict.RIGHT, told(report)


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.id)
def test_its_header_says_what_is_known(server: Known) -> None:
    if server.is_wrong:
        assert re.match(r"A wrong server: .+\. fails: .+ cause: .+", server.header)
        re.compile(str(server.field("cause")))
    else:
        assert re.match(r".+\. command: ", server.header)
        name = server.source.name.removesuffix(".cpp")
        assert re.match(rf"\./{name} .*\{{port\}}", str(server.field("command")))
    assert re.fullmatch(r"[a-z0-9_]+", server.source.stem)


@pytest.mark.parametrize("server", ALL, ids=lambda server: server.id)
def test_it_is_listed_in_its_meson_build(server: Known) -> None:
    if server.binary:
        listed = (server.source.parent / "meson.build").read_text(encoding="utf-8")
        assert f"  '{server.source.stem}',\n" in listed
