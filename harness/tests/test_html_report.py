"""The report as a page and as JUnit XML: true, whatever a server has printed, and it loads nothing from elsewhere."""

import errno
import html.parser
import os
import re
import resource
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import HARNESS, Lab
from test_timeline import ACTS, EVENTS

from echolab import output, timeline
from echolab.plain import plain
from echolab.report import CheckResult, Report, Status, StepResult, Where, junit
from echolab.report import html as page

HOSTILE = (
    "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    "</pre></dd></details><style>*{display:none}</style>&lt; {{ 7*7 }} ]]> "
    "\x1b[31mred\x1b[0m \x1b]8;;http://example.com\x07link\x1b]8;;\x07 \x00\x08\x9b31m \u202egnp.exe \ud800 \ufffe"
)


def check(status: Status, number: int, text: str = "what was seen") -> CheckResult:
    found = CheckResult(f"2.1.check_{number}", f"Check {number}", f"About {number}.", "echo", 5, status, 0.25)
    if status is Status.FAIL:
        found.expected, found.observed, found.cause = "what should be", text, "the cause"
        found.where = Where("lessons/2-multi-process/server.cpp", 7)
        found.hint, found.docs = "look there", "README.md#there"
    elif status is not Status.PASS:
        found.observed = text
    return found


def report(text: str = "what was seen", events: bool = True) -> Report:
    checks = [check(status, number, text) for number, status in enumerate(Status)]
    if events:
        checks[1].timeline = timeline.draw(EVENTS, ACTS)
    steps = [StepResult("2.1", "A step", 50, checks), StepResult("2.2", "Another", 50, [check(Status.PASS, 9)])]
    return Report(2, "multi process", text, 1.5, steps, [text])


class Reader(html.parser.HTMLParser):
    """The tags and attributes of a page, and that they nest."""

    EMPTY = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_the_page_says_what_the_report_says() -> None:
    text = page.write([report()])
    for said in ("what should be", "what was seen", "the cause", "server.cpp:7", "look there", "README.md#there"):
        assert said in text
    assert "<svg" in text and "SIGCHLD" in text and "63" in text


def test_a_step_that_was_graded_by_itself_says_so() -> None:
    graded = report()
    step = graded.steps[0]
    step.isolated, step.note = True, "a note"  # type: ignore[attr-defined]
    step.in_whole = [graded.steps[0].checks[1]]  # type: ignore[attr-defined]
    text = page.write([graded])
    assert "Graded by itself" in text and "a note" in text and "In your whole server" in text
    ids = [value for name, value in Reader(text).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_without_events_there_is_no_picture() -> None:
    assert "<svg" not in page.write([report(events=False)])


@pytest.mark.parametrize("reports", [1, 2])
def test_hostile_output_stays_text(reports: int) -> None:
    calm, hostile = Reader(page.write([report()] * reports)), Reader(page.write([report(HOSTILE)] * reports))
    assert hostile.tags == calm.tags and "script" not in hostile.tags
    assert not [name for name, _ in hostile.attributes if name.startswith("on")]
    assert not set(page.write([report(HOSTILE)])) & set("\x00\x08\x1b\x9b\u202e\ud800")


def test_the_page_asks_nobody_for_anything() -> None:
    text = page.write([report(HOSTILE)])
    reader = Reader(text)
    targets = [value for name, value in reader.attributes if name in ("href", "src", "action", "poster", "data")]
    assert targets and all(value.startswith("#") or value == "data:," for value in targets)
    assert "default-src 'none'" in text and "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_ids_are_unique_and_links_lead_somewhere() -> None:
    reader = Reader(page.write([report()]))
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in reader.attributes if name == "href" and value[0] == "#"} <= set(ids)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a\x1b[1;31mb\x1b[0mc", "abc"),
        ("\x1b]0;title\x07x", "x"),
        ("tab\tline\nend\r\n", "tab\tline\nend\n"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("\u202e", "\\u202e"),
        ("日本語 é ✓", "日本語 é ✓"),
        ("\x1b]0;no end", "0;no end"),
    ],
)
def test_escape_sequences_and_control_characters_are_made_visible_or_removed(text: str, safe: str) -> None:
    assert plain(text) == safe


def test_junit_counts_and_explains() -> None:
    root = ElementTree.fromstring(junit.write([report(HOSTILE)]).partition("\n")[2])
    assert {n: root.get(n) for n in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert [suite.get("name") for suite in root] == ["2.1 A step", "2.2 Another"]
    cases = list(root.iter("testcase"))
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["skipped"], ["error"], []]
    (failure,) = root.iter("failure")
    assert "the cause" in (failure.text or "") and "red" in failure.get("message", "")
    assert (cases[1].get("file"), cases[1].get("line")) == ("lessons/2-multi-process/server.cpp", "7")


# Files: refused early, whole or not at all


@pytest.mark.parametrize("option", ["--html", "--junit", "--json"])
def test_a_path_that_cannot_be_written_is_refused_before_grading(lab: Lab, option: str) -> None:
    done = lab("check", "1.1", "--solutions", option, "/nowhere/report")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lab: cannot write /nowhere/report: No such file or directory\n"


def test_two_reports_do_not_share_a_file(lab: Lab) -> None:
    done = lab("check", "1.1", "--json", "-", "--junit", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lab: each report needs a file of its own\n"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(output.NotWritable, match="Is a directory"):
        output.check_writable(tmp_path)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("the old one", encoding="utf-8")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a full disk, but EFBIG
    try:
        with pytest.raises(output.NotWritable, match=os.strerror(errno.EFBIG)):
            output.write_whole(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text(encoding="utf-8") == "the old one"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


def test_a_device_is_written_to_and_not_replaced(lab: Lab) -> None:
    done = lab("check", "1.1", "--solutions", "--junit", "/dev/full")
    assert done.returncode == 3
    assert done.stderr == "lab: cannot write /dev/full: No space left on device\n"
    assert Path("/dev/full").is_char_device()


def test_a_link_is_followed_and_rights_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "real.html", tmp_path / "link.html"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    link.symlink_to(target)
    output.write_whole(link, "new")
    assert link.is_symlink() and target.read_text(encoding="utf-8") == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_both_forms_of_a_real_grading(lab: Lab, tmp_path: Path) -> None:
    command = f"{sys.executable} {HARNESS / 'tests' / 'echo_server.py'} --clients 1 {{port}}"
    files = tmp_path / "report.html", tmp_path / "report.xml"
    done = lab("check", "1.6", "--server", command, "--html", str(files[0]), "--junit", str(files[1]))
    assert done.returncode == 1
    reader = Reader(files[0].read_text(encoding="utf-8"))
    assert "svg" in reader.tags, "a Python server's calls are seen as well"
    assert int(ElementTree.parse(files[1]).getroot().get("failures", "0")) > 0


def test_without_jinja2_one_line_says_what_to_install(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['jinja2'] = None\n", encoding="utf-8")
    path = f"{tmp_path}:{HARNESS}"
    done = lab("check", "1.1", "--html", str(tmp_path / "a.html"), PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "lab: --html needs Jinja2: apt-get install python3-jinja2\n"


# In a browser


@pytest.fixture
def shown(browser: "webdriver.Chrome", tmp_path: Path) -> "webdriver.Chrome":
    path = tmp_path / "report.html"
    output.write_whole(path, page.write([report(HOSTILE)]))
    browser.get(path.as_uri())
    return browser


def scheme(browser: "webdriver.Chrome", name: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": name}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def test_hostile_output_does_nothing_in_a_browser(shown: "webdriver.Chrome") -> None:
    assert shown.title == "Lesson 2: 62.5 of 100 points"
    assert "<script>document.title='taken'</script>" in shown.find_element("tag name", "main").text
    requests = shown.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert requests == []
    assert not [entry for entry in shown.get_log("browser") if entry["level"] == "SEVERE"]


CONTRAST = """
const luminance = colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = e => {
  for (; e; e = e.parentElement) {
    const found = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(found)) return found;
  }
  return 'rgb(255, 255, 255)';
};
const found = [];
for (const e of document.querySelectorAll('main *, main svg text')) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.getClientRects().length || e.closest('svg style, svg title, svg desc')) continue;
  const style = getComputedStyle(e), paper = e.closest('svg')?.querySelector('.band');
  const ink = paper ? style.fill : style.color, ground = paper ? getComputedStyle(paper).fill : background(e);
  const [a, b] = [luminance(ink), luminance(ground)].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${e.tagName}.${e.getAttribute('class')}: ${ink} on ${ground}`);
}
return found;
"""


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_text_is_legible(shown: "webdriver.Chrome", name: str) -> None:
    """The contrast that WCAG 2.2 asks for (1.4.3): 4.5 to 1."""
    scheme(shown, name)
    dark = shown.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (name == "dark")
    assert shown.execute_script(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_no_width_scrolls_the_page_sideways(shown: "webdriver.Chrome", width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_and_opens_everything(shown: "webdriver.Chrome") -> None:
    from selenium.webdriver.common.keys import Keys

    reached = set()
    for _ in range(40):
        focused = shown.switch_to.active_element
        reached.add((focused.tag_name, focused.get_attribute("class")))
        focused.send_keys(Keys.TAB)
    assert {("a", "skip"), ("summary", ""), ("div", "scroll")} <= reached
    passed = shown.find_element("css selector", "details.pass")
    passed.find_element("tag name", "summary").send_keys(Keys.ENTER)
    assert passed.get_attribute("open") is not None
