"""Events become lanes, and lanes a text, a picture and a trace that say the same, whatever the events are."""

import errno
import json
import os
import random
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import Lab

from echolab import scenarios, timeline
from echolab.client import Act
from echolab.timeline import Lane, Phase, Timeline, chrome, svg, text
from echolab.witness import Event, Kind

PARENT, CHILD = 100, 101
SVG = "{http://www.w3.org/2000/svg}"


def event(ms: float, pid: int, kind: Kind, call: str, *, tid: int = 0, **more: int) -> Event:
    return Event(round(ms * 1e6), pid, tid or pid, kind, call, **more)


def call(
    start: float, end: float, pid: int, name: str, *, fd: int | None = None, tid: int = 0, **returned: int
) -> Iterator[Event]:
    yield event(start, pid, Kind.ENTER, name, tid=tid, fd=fd)
    yield event(end, pid, Kind.EXIT, name, tid=tid, fd=fd, **returned)


def act(ms: float, client: int, what: str, size: int | None = None) -> Act:
    return Act(round(ms * 1e6), client, what, size)


# A client comes and goes: the parent forks, and reaps from a handler that interrupts its accept.
EVENTS = [
    event(0, PARENT, Kind.START, "process"),
    *call(0.1, 0.11, PARENT, "socket", result=3),
    *call(0.2, 5, PARENT, "accept", fd=3, result=4),
    *call(5.1, 5.2, PARENT, "fork", result=CHILD),
    event(5.3, CHILD, Kind.START, "process"),
    event(5.31, CHILD, Kind.EXIT, "fork", result=0),
    *call(5.4, 5.41, PARENT, "close", fd=4, result=0),
    event(5.5, PARENT, Kind.ENTER, "accept", fd=3),
    *call(5.6, 6.1, CHILD, "read", fd=4, result=5),
    *call(6.2, 6.21, CHILD, "write", fd=4, result=5),
    *call(6.3, 9, CHILD, "read", fd=4, result=0),
    replace(event(9.1, CHILD, Kind.END, "process", result=0), frames=(1,)),
    event(9.4, PARENT, Kind.SIGNAL, "SIGCHLD"),
    *call(9.5, 9.51, PARENT, "waitpid", result=CHILD),
    *call(9.52, 9.53, PARENT, "waitpid", result=-1, error=errno.ECHILD),
    event(9.6, PARENT, Kind.EXIT, "accept", fd=3, result=-1, error=errno.EINTR),
]
ACTS = [act(4.9, 1, "connects"), act(6, 1, "sends", 5), act(6.3, 1, "gets", 5), act(8.9, 1, "leaves")]


@pytest.fixture
def seen() -> Timeline:
    return timeline.draw(EVENTS, ACTS)


def lane(drawn: Timeline, name: str) -> Lane:
    return next(lane for lane in drawn.lanes if lane.name == name)


def spans(lane: Lane) -> list[tuple[str, str]]:
    return [(span.label, span.outcome) for span in lane.spans]


def test_a_lane_for_each_client_and_process(seen: Timeline) -> None:
    assert [lane.name for lane in seen.lanes] == ["client 1", "parent", "child 1"]


def test_a_call_is_a_span_with_its_outcome(seen: Timeline) -> None:
    assert spans(lane(seen, "parent")) == [
        ("socket()", "3"),
        ("accept(3)", "4"),
        ("fork()", "101"),
        ("close(4)", "done"),
        ("accept(3)", "EINTR"),
        ("waitpid()", "101"),
        ("waitpid()", "ECHILD"),
    ]
    assert [span.depth for span in lane(seen, "parent").spans][-3:] == [0, 1, 1]


def test_a_zombie_lasts_from_its_end_to_its_parents_wait(seen: Timeline) -> None:
    (zombie,) = [span for span in lane(seen, "child 1").spans if span.phase is Phase.ZOMBIE]
    assert (zombie.start, zombie.end) == (9_100_000, 9_510_000)


def test_forks_and_waits_link_the_lanes(seen: Timeline) -> None:
    links = [(link.kind, link.source.name, link.target.name) for link in seen.links]
    assert links == [
        ("accept", "client 1", "parent"),
        ("fork", "parent", "child 1"),
        ("reap", "child 1", "parent"),
    ]


def test_clients_are_accepted_in_the_order_in_which_they_connected() -> None:
    acts = [act(1, 1, "connects"), act(2, 2, "connects")]
    events = [*call(0, 3, 7, "accept", fd=3, result=4), *call(4, 5, 7, "accept", fd=3, result=5)]
    accepted = [(link.source.name, link.time) for link in timeline.draw(events, acts).links]
    assert accepted == [("client 1", 3_000_000), ("client 2", 5_000_000)]
    assert not timeline.draw(events, acts[1:]).links, "some acts are forgotten"


def test_many_clients_share_a_lane_of_the_picture() -> None:
    acts = [act(1 + n / 1000, n, "connects") for n in range(1, 65)]
    picture = svg.write(timeline.draw(EVENTS, acts), title="a crowd")
    shown = [element.text for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert "clients" in shown and "1 connects" in shown and "and 63 more" in shown and "parent" in shown


def test_where_there_is_no_room_the_clients_share_a_lane() -> None:
    acts = [*ACTS, act(9, 2, "connects"), act(9.01, 0, "SIGTERM")]
    drawn = text.write(timeline.draw(EVENTS, acts), width=70)
    assert "clients" in drawn.splitlines()[0]
    assert all(said in drawn for said in ("1 leaves", "2 connects", "grader: SIGTERM"))


def test_whether_nobody_waits_for_a_child_is_asked_of_the_kernel() -> None:
    unreaped = [e for e in EVENTS if e.call != "waitpid"]
    for zombies, expected in (((), 0), ((CHILD,), 1)):
        child = lane(timeline.draw(unreaped, zombies=zombies), "child 1")
        assert sum(span.phase is Phase.ZOMBIE for span in child.spans) == expected


def test_a_killed_child_ends_when_it_is_reaped() -> None:
    events = [e for e in EVENTS if e.kind is not Kind.END]
    events = [replace(e, arguments=(9, 0)) if e.result == CHILD else e for e in events]
    child = lane(timeline.draw(events), "child 1")
    assert (child.end, child.marks[-1].label) == (9_510_000, "killed, SIGKILL")


def test_a_return_from_main_is_an_end_whose_status_is_not_known() -> None:
    events = [event(0, 7, Kind.START, "process"), event(1, 7, Kind.END, "process", result=0)]
    assert lane(timeline.draw(events), "server").marks[-1].label == "ends"
    called = replace(event(0.5, 7, Kind.ENTER, "exit"), arguments=(3, 0))
    assert lane(timeline.draw([*events, called]), "server").marks[-1].label == "exits with 3"


def test_threads_have_lanes_and_a_link_from_who_created_them() -> None:
    drawn = timeline.draw(
        [
            event(0, 7, Kind.START, "process"),
            event(1, 7, Kind.ENTER, "pthread_create"),
            event(1.1, 7, Kind.START, "thread", tid=8),
            event(1.2, 7, Kind.EXIT, "pthread_create", result=0),
            event(2, 7, Kind.END, "thread", tid=8),
            event(3, 7, Kind.START, "thread", tid=8),  # the number is given again
        ]
    )
    assert [lane.name for lane in drawn.lanes] == ["server", "thread 1", "thread 2"]
    made = [(link.kind, link.source.name, link.target.name) for link in drawn.links]
    assert made == [("thread", "server", "thread 1")]


TEXT = """\
      ms  client 1               parent                 child 1
    0.00                         starts
    0.10                         socket = 3
    0.20                         accept(3) …
    4.90  connects               ┊
    5.00  │                      accept = 4
    5.10  │                      fork = 101
    5.30  │                      │                      starts
    5.40  │                      close(4)               │
    5.50  │                      accept(3) …            │
    5.60  │                      ┊                      read(4) …
    6.00  sends 5 bytes          ┊                      ┊
    6.10  │                      ┊                      read = 5
    6.20  │                      ┊                      write(4) = 5
    6.30  gets 5 bytes           ┊                      │
    6.30  │                      ┊                      read(4) …
    8.90  leaves                 ┊                      ┊
    9.00                         ┊                      read = 0, end
    9.10                         ┊                      exits with 0
    9.40                         SIGCHLD                z
    9.50                         waitpid = 101          reaped
    9.52                         waitpid = ECHILD
    9.60                         accept = EINTR

          │ runs, ┊ waits in the call above, z zombie"""


def test_the_text_tells_it_in_order(seen: Timeline) -> None:
    assert text.write(seen) == TEXT


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_text_keeps_to_the_width(seen: Timeline, width: int) -> None:
    assert max(map(len, text.write(seen, width=width, fancy=False).splitlines()[:-3])) <= max(width, 27)


def test_without_unicode_it_is_ascii(seen: Timeline) -> None:
    assert text.write(seen, fancy=False, most_rows=9).isascii()


def test_around_a_failure_the_last_events_are_shown_and_the_rest_counted(seen: Timeline) -> None:
    drawn = text.write(seen, most_rows=5, only_the_last=True)
    assert "accept = EINTR" in drawn and "socket" not in drawn
    assert re.search(r"… 1\d .*accept\(3\) …", drawn), "what still goes on is said"
    assert "events left out" in drawn


def test_what_repeats_is_folded() -> None:
    events = [event(0, 7, Kind.START, "process")]
    for turn in range(1000):
        events += call(turn + 1, turn + 1.1, 7, "read", fd=4, result=100 + turn)
        events += call(turn + 1.2, turn + 1.3, 7, "write", fd=4, result=100 + turn)
    drawn = text.write(timeline.draw(events))
    assert "these 2 × 1,000" in drawn and len(drawn.splitlines()) < 10


def test_what_repeats_between_two_lanes_is_folded_and_the_last_wait_goes_on() -> None:
    events, acts = [event(0, 7, Kind.START, "process")], [act(0.1, 1, "connects")]
    for turn in range(1, 500):
        acts.append(act(turn, 1, "sends", 5))
        events += call(turn - 0.5, turn + 0.1, 7, "read", fd=4, result=5)
        events += call(turn + 0.2, turn + 0.3, 7, "write", fd=4, result=5)
    events.append(event(1000, 7, Kind.ENTER, "read", fd=4))
    drawn = timeline.draw(events, acts)
    lines = text.write(drawn).splitlines()
    assert len(lines) < 20 and "these 4 × 49" in "".join(lines)
    picture = ElementTree.fromstring(svg.write(drawn, title="a loop"))
    waits = [r for r in picture.iter(f"{SVG}rect") if r.get("class") == "bytes" and float(r.get("height", "")) > 10]
    assert len(waits) == 2, "the first, and the one that goes on"


def test_what_a_runtime_does_by_itself_is_left_out() -> None:
    events = [
        event(0, 7, Kind.START, "process"),
        *call(1, 2, 7, "read", fd=3, result=9),
        *call(3, 4, 7, "socket", result=3),
        *call(5, 6, 7, "pthread_cond_signal", result=0),
    ]
    assert spans(lane(timeline.draw(events), "server")) == [("socket()", "3")]
    threads = [*events, event(7, 7, Kind.START, "thread", tid=8), *call(8, 9, 7, "pthread_cond_signal")]
    assert ("pthread_cond_signal()", "done") in spans(lane(timeline.draw(threads), "server"))


def test_very_many_events_are_drawn_bounded() -> None:
    def flood() -> Iterable[Event]:
        for turn in range(timeline.MOST_EVENTS):
            yield from call(turn, turn + 0.5, 1 + turn % 500, random.choice(["read", "write"]), fd=turn)

    drawn = timeline.draw(flood())
    assert drawn.lost == timeline.MOST_EVENTS
    picture = svg.write(drawn, title="a flood")
    assert len(picture) < 500_000 and "488 lanes left out" in picture
    assert "100,000 events were not recorded" in picture
    assert len(text.write(drawn).splitlines()) < 250


@pytest.mark.parametrize("form", [text.write, chrome.write, lambda t: svg.write(t, title="empty")])
def test_no_events_are_no_trouble(form) -> None:  # type: ignore[no-untyped-def]
    assert form(timeline.draw([]))


def test_rubbish_is_drawn_as_well() -> None:
    """The events stand in memory that the graded server can write to."""
    dice = random.Random(1)
    words = ["accept", "fork", "waitpid", "process", "\x1b[31m<script>&\x00", "x" * 999, ""]
    for _ in range(200):
        events = [
            Event(
                time=dice.choice([dice.randrange(1000), -(2**63), 2**63 - 1]),
                pid=dice.choice([0, 1, -5, 2**31]),
                tid=dice.choice([0, 1, 2]),
                kind=dice.choice(list(Kind)),
                call=dice.choice(words),
                fd=dice.choice([None, -1, 3, 2**31]),
                result=dice.choice([None, 0, 1, -1, 2**63]),
                error=dice.choice([0, 4, 99999]),
            )
            for _ in range(dice.randrange(40))
        ]
        drawn = timeline.draw(events, ACTS, zombies=(0, 1))
        for shown in (text.write(drawn), svg.write(drawn, title="rubbish"), chrome.write(drawn)):
            assert "\x1b" not in shown and "\x00" not in shown
        assert "<script>" not in svg.write(drawn, title="<script>")
        Imported(json.loads(chrome.write(drawn)))


def test_the_picture_is_svg_with_a_text_for_who_cannot_see_it(seen: Timeline) -> None:
    root = ElementTree.fromstring(svg.write(seen, title="A & B", identity="a"))
    assert root.get("role") == "img"
    named = root.get("aria-labelledby", "").split()
    found = {element.get("id"): element.text for element in root.iter()}
    assert found[named[0]] == "A & B" and "9.40 ms: parent SIGCHLD" in (found[named[1]] or "")
    shown = [element.text for element in root.iter(f"{SVG}text")]
    assert {"client 1", "parent", "child 1", "SIGCHLD", "accept = EINTR"} <= set(shown)
    assert any("zombie" in (rect.get("class") or "") for rect in root.iter(f"{SVG}rect"))
    assert "http" not in svg.write(seen, title="").replace("http://www.w3.org/2000/svg", "")


class Imported:
    """A trace as Perfetto reads it, by its documentation (https://perfetto.dev/docs/getting-started/other-formats)
    and its importer: by time, then by place in the file; an instant is a slice without duration; one that would
    end after the slice around it is dropped. An arrow begins in the innermost slice, and ends there ("bp": "e") or
    in the next one."""

    def __init__(self, trace: dict) -> None:  # type: ignore[type-arg]
        assert trace.keys() == {"traceEvents", "otherData"}
        self.dropped: list[dict] = []  # type: ignore[type-arg]
        self.lost_arrows = 0
        self.arrows: list[tuple[str, str, str]] = []  # the kind, and the names of two slices
        self._open: dict[tuple[int, ...], list[tuple[int, int, str]]] = {}  # start, end, name
        self._begun: dict[tuple[int, str, str], str] = {}
        self._waiting: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        for entry in sorted(trace["traceEvents"], key=lambda entry: _ns(entry.get("ts", 0))):
            self._take(entry)
        self.lost_arrows += sum(map(len, self._waiting.values()))

    def _take(self, entry: dict) -> None:  # type: ignore[type-arg]
        phase = entry["ph"]
        # What is not of 32 bits counts as 0.
        thread = tuple(n if 0 <= n < 1 << 32 else 0 for n in (entry["pid"], entry["tid"]))
        if phase == "M":
            assert entry["name"] in ("process_name", "process_sort_index", "thread_name")
            assert entry["args"].keys() <= {"name", "sort_index"}
        elif phase in ("X", "i"):
            assert entry.get("s", "t") == "t"
            self._slice(entry, thread, _ns(entry["dur"] if phase == "X" else 0))
        elif phase == "s":
            key = (entry["id"], entry["cat"], entry["name"])
            assert key not in self._begun
            self._begun[key] = self._innermost(thread)
        else:
            assert phase == "f"
            source = self._begun[entry["id"], entry["cat"], entry["name"]]
            if entry.get("bp") == "e":
                self.arrows.append((entry["name"], source, self._innermost(thread)))
            else:
                self._waiting.setdefault(thread, []).append((entry["name"], source))

    def _innermost(self, thread: tuple[int, ...]) -> str:
        stack = self._open.get(thread)
        self.lost_arrows += not stack
        return stack[-1][2] if stack else ""

    def _slice(self, entry: dict, thread: tuple[int, ...], length: int) -> None:  # type: ignore[type-arg]
        start, stack = _ns(entry["ts"]), self._open.setdefault(thread, [])
        assert start >= 0 and length >= 0
        while stack and stack[-1][1] <= start and (stack[-1][0] < start or length):
            stack.pop()
        if any(end < start + length for _, end, _ in stack):
            self.dropped.append(entry)
            return
        stack.append((start, start + length, entry["name"]))
        self.arrows += [(kind, source, entry["name"]) for kind, source in self._waiting.pop(thread, [])]


def _ns(microseconds: float) -> int:
    return round(microseconds * 1000)


def check_trace(trace: dict) -> None:  # type: ignore[type-arg]
    found = Imported(trace)
    assert (found.dropped, found.lost_arrows) == ([], 0)


def test_the_trace_is_what_perfetto_opens(seen: Timeline) -> None:
    trace = json.loads(chrome.write(seen))
    check_trace(trace)
    assert Imported(trace).arrows == [
        ("accept", "connected", "accept(3)"),
        ("fork", "fork()", "read(4)"),
        ("reap", "zombie", "waitpid()"),
    ]
    names = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert names == {"client 1", "parent", "child 1"}


def test_an_arrow_begins_in_the_call_that_made_its_target_though_that_has_returned_before() -> None:
    events = [
        event(0, PARENT, Kind.START, "process"),
        *call(1, 2, PARENT, "fork", result=CHILD),
        *call(2.1, 2.2, PARENT, "pthread_create", result=0),
        event(3, PARENT, Kind.ENTER, "accept", fd=3),
        event(4, CHILD, Kind.START, "process"),
        *call(5, 6, CHILD, "read", fd=4, result=5),
        event(7, PARENT, Kind.START, "thread", tid=9),
        *call(8, 9, PARENT, "write", tid=9, fd=4, result=5),
    ]
    found = Imported(json.loads(chrome.write(timeline.draw(events))))
    assert found.arrows == [("fork", "fork()", "read(4)"), ("thread", "pthread_create()", "write(4)")]


def test_who_is_left_out_has_no_arrow() -> None:
    other = 50
    events = [event(0, other, Kind.START, "process")]
    events += [e for n in range(2000) for e in call(1 + n, 1.5 + n, other, "read", fd=n, result=1)]
    events += [
        event(1000.6, PARENT, Kind.START, "process"),
        *call(1000.7, 1000.8, PARENT, "fork", result=CHILD),
        event(1000.9, PARENT, Kind.END, "process", result=0),
        event(1999.6, CHILD, Kind.START, "process"),  # it had no processor until then
    ]
    drawn = timeline.draw(events)
    assert [link.kind for link in drawn.links] == ["fork"]
    picture = svg.write(drawn, title="late")
    assert ">child 2</text>" in picture and ">child 1</text>" not in picture
    assert 'class="link"' not in picture


def test_a_process_that_runs_another_program_is_the_same_process() -> None:
    events = [
        event(0, PARENT, Kind.START, "process"),
        event(1, PARENT, Kind.START, "process"),
        *call(2, 3, PARENT, "socket", result=3),
    ]
    drawn = timeline.draw(events)
    assert [lane.name for lane in drawn.lanes] == ["server"]
    assert spans(drawn.lanes[0]) == [("socket()", "3")]


def test_what_would_not_nest_is_noticed(seen: Timeline) -> None:
    trace = json.loads(chrome.write(seen))
    fork = next(e for e in trace["traceEvents"] if e["name"] == "fork()")
    fork["dur"] += 4_000
    assert Imported(trace).dropped


# The command


@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_plays_to_its_end_on_the_solutions(lab: Lab, scenario: scenarios.Scenario) -> None:
    done = lab("trace", str(scenario.lessons[-1]), "--solutions", "--scenario", scenario.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert scenario.shows in done.stdout and "client 1" in done.stdout


def test_help_lists_the_scenarios(lab: Lab) -> None:
    said = lab("trace", "--help").stdout
    assert all(scenario.name in said for scenario in scenarios.SCENARIOS)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["9"], 2, "there is no lesson '9'"),
        (["2.1"], 2, "a whole lesson is traced"),
        (["1", "--scenario", "nope"], 2, "it has: accept-blocks"),
        (["1", "--scenario", "fork-and-reap"], 2, "lesson 1 has no scenario 'fork-and-reap'"),
        (["1", "--out", "/tmp/picture.png"], 2, "has to end in .svg, .html, .json"),
        (["1", "--out", "/nowhere/picture.svg"], 2, "cannot write /nowhere/picture.svg"),
        (["1", "--server", "true {port}"], 1, "the server does not listen"),
    ],
)
def test_what_cannot_be_traced_is_one_line(lab: Lab, arguments: list[str], code: int, said: str) -> None:
    done = lab("trace", *arguments)
    assert done.returncode == code
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_what_a_witness_cannot_see_is_said_and_the_clients_are_drawn(lab: Lab, tmp_path: Path) -> None:
    source, server = tmp_path / "echo.cpp", tmp_path / "echo"
    source.write_text("""#include <arpa/inet.h>
#include <cstdlib>
#include <unistd.h>
int main(int, char** argv) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[1])));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) || listen(listener, 9)) return 1;
  for (;;) {
    const int client = accept(listener, nullptr, nullptr);
    char buffer[1024];
    for (ssize_t n; (n = read(client, buffer, sizeof buffer)) > 0;)
      if (write(client, buffer, static_cast<std::size_t>(n)) != n) break;
    close(client);
  }
}
""")
    compiler = os.environ.get("CXX", "c++").split()
    subprocess.run([*compiler, "-static", str(source), "-o", str(server)], check=True, timeout=60)
    done = lab("trace", "1", "--server", f"{server} {{port}}")
    assert done.returncode == 0
    assert done.stderr == f"lab: only the clients are shown: {server} is linked statically\n"
    assert "client 1" in done.stdout and "gets 5 bytes" in done.stdout


def test_the_servers_calls_are_in_the_picture(lab: Lab) -> None:
    drawn = lab("trace", "2", "--solutions", "--scenario", "sigchld").stdout
    for said in ("parent", "child 1", "SIGCHLD", "reaped", "= EINTR", "exits with 0"):
        assert said in drawn


def test_the_picture_can_go_to_a_file(lab: Lab, tmp_path: Path) -> None:
    for name in ("a.svg", "a.json", "a.html"):
        done = lab("trace", "1", "--solutions", "--out", str(tmp_path / name))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag == f"{SVG}svg"
    check_trace(json.loads((tmp_path / "a.json").read_text(encoding="utf-8")))
    assert "<svg" in (tmp_path / "a.html").read_text(encoding="utf-8")
