"""The rules from what was seen to the line that is to blame, on scenes that are made up."""

import errno
import signal
from pathlib import Path
from typing import Any

import pytest

import conftest  # noqa: F401 (finds the package)
from echolab.diagnosis import rules, stopping, threads
from echolab.diagnosis.finding import Rules
from echolab.diagnosis.scene import Scene, paired
from echolab.witness import Event, Kind, Place

MAIN, WORKER = 1, 2
SOURCE = """\
int Table::take() {
  for (std::size_t slot = 0; slot <= slots_.size(); ++slot) {
    if (!slots_[slot].taken) return slot;
  }
  return -1;
}
void work(Queue& queue) {
  while (unique_fd client = queue.pop()) {
    const ssize_t count = ::read(client.get(), data, sizeof data);
    if (count < 0) return;
    if (count == 0) break;
  }
}
bool Queue::push(unique_fd client) {
  if (clients_.size() >= capacity_) return false;
  clients_.push_back(std::move(client));
  return true;
}
int serve(int listener) {
  for (;;) {
    unique_fd client(::accept(listener, nullptr, nullptr));
    const int error = errno;
    if (!client && error != EINTR) continue;
    queue.push(std::move(client));
  }
}
void* wait_for_sigterm(void*) {
  ::sigwait(&sigterm, &number);
  queue.close();
}
"""


class Story:
    """Events in their order, by two threads of one process; where each is made is a line of SOURCE."""

    def __init__(self, file: Path) -> None:
        file.write_text(SOURCE, encoding="utf-8")
        self.file, self.events = file, [self._event(MAIN, Kind.START, "process", ())]
        self._tell(WORKER, Kind.START, "thread", ())

    def of(self, event: Event) -> tuple[Place, ...]:
        return tuple(Place(self.file, line, self._function(line)) for line in event.frames)

    def _function(self, line: int) -> str:
        above = [text for text in SOURCE.splitlines()[:line] if text.endswith("{") and text[0] != " "]
        return above[-1].partition("(")[0].split()[-1]

    def _event(self, tid: int, kind: Kind, call: str, frames: tuple[int, ...], **more: Any) -> Event:
        time = len(self.events) + 1 if hasattr(self, "events") else 1
        return Event(time, MAIN, tid, kind, call, frames=frames, **more)

    def _tell(self, *about: Any, **more: Any) -> None:
        self.events.append(self._event(*about, **more))

    def begins(self, tid: int, call: str, *lines: int, fd: int | None = None) -> None:
        self._tell(tid, Kind.ENTER, call, lines, fd=fd)

    def ends(self, tid: int, call: str, *lines: int, fd: int | None = None, **returned: int) -> None:
        self._tell(tid, Kind.EXIT, call, lines, fd=fd, **returned)

    def calls(self, tid: int, call: str, *lines: int, fd: int | None = None, **returned: int) -> None:
        self.begins(tid, call, *lines, fd=fd)
        self.ends(tid, call, *lines, fd=fd, **({"result": 0} | returned))

    def is_over(self, tid: int) -> None:
        self._tell(tid, Kind.END, "thread", ())

    def scene(self, area: str, check: str = "a_check", **more: Any) -> Scene:
        told: dict[str, Any] = {
            "step_title": "A step", "functions": ("serve",), "expected": "", "observed": "", "cause_text": "",
        }  # fmt: skip
        return Scene(
            check, area, events=self.events, places=self, own=lambda file: True, main=MAIN,  # type: ignore[arg-type]
            files=(self.file,), **(told | more),
        )  # fmt: skip


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "server.cpp")


def ask(kind: Rules, scene: Scene) -> tuple[str, int] | None:
    """The rule that decides, and the line that it names."""
    found = kind.ask(scene)
    return (found.rule, found.place.line) if found else None


def test_a_call_whose_return_is_missing_is_not_taken_for_one_that_goes_on(story: Story) -> None:
    story.begins(MAIN, "accept", 21, fd=3)
    story.calls(MAIN, "close", 24, fd=4)
    story.begins(MAIN, "accept", 21, fd=3)
    scene = story.scene("echo")
    assert [call.name for call in scene.calls] == ["close", "accept"]
    assert [call.name for call in scene.blocked] == ["accept"]


def test_the_calls_of_a_handler_lie_within_what_it_interrupts(story: Story) -> None:
    story.begins(MAIN, "accept", 21, fd=3)
    story._tell(MAIN, Kind.SIGNAL, "SIGCHLD", ())
    story.calls(MAIN, "waitpid", 24)
    story._tell(MAIN, Kind.RETURN, "SIGCHLD", ())
    story.ends(MAIN, "accept", 21, fd=3, result=-1, error=errno.EINTR)
    calls = paired(story.events)
    assert [(call.name, call.error) for call in calls] == [("accept", errno.EINTR), ("waitpid", 0)]


def test_a_worker_that_left_after_a_failed_read(story: Story) -> None:
    story.calls(WORKER, "read", 9, fd=4, result=-1, error=errno.ECONNRESET)
    story.calls(WORKER, "close", 12, fd=4)
    story.is_over(WORKER)
    scene = story.scene("pool", functions=("work",))
    assert ask(threads.rule, scene) == ("a_worker_has_ended", 10)


def test_a_worker_that_was_woken_and_found_nothing(story: Story) -> None:
    story.calls(WORKER, "pthread_cond_wait", 8)
    story.is_over(WORKER)
    assert ask(threads.rule, story.scene("pool")) == ("a_worker_has_ended", 8)


def test_a_client_that_is_turned_away(story: Story) -> None:
    story.calls(MAIN, "accept", 21, fd=3, result=4)
    story.calls(MAIN, "close", 24, fd=4)
    assert ask(threads.rule, story.scene("pool")) == ("a_client_is_turned_away", 15)


def test_one_slot_too_many(story: Story) -> None:
    about: dict[str, Any] = {"observed": "it is served at once", "functions": ("Table::take",)}
    assert ask(threads.rule, story.scene("slots", **about)) == ("nothing_limits_how_many", 2)
    assert ask(threads.rule, story.scene("concurrency", **about)) is None


def test_a_full_table_that_ends_the_server(story: Story) -> None:
    story.calls(MAIN, "pthread_create", 24)
    scene = story.scene("slots", functions=("Table::take",), exit_code=0)
    assert ask(threads.rule, scene) == ("it_takes_full_for_the_end", 5)


def test_a_slot_that_is_lost_with_a_failed_accept(story: Story) -> None:
    story.calls(MAIN, "accept", 21, fd=3, result=-1, error=errno.ECONNABORTED)
    story.begins(MAIN, "pthread_cond_wait", 20)
    assert ask(threads.rule, story.scene("slots")) == ("a_slot_is_lost_when_something_fails", 23)


def test_nobody_is_woken_for_a_client(story: Story) -> None:
    story.begins(WORKER, "pthread_cond_wait", 8)
    story.calls(MAIN, "accept", 21, fd=3, result=4)
    scene = story.scene("echo", functions=("Queue::push",))
    assert ask(threads.rule, scene) == ("nobody_is_woken_for_a_client", 16)


def test_a_fork_where_there_should_be_threads(story: Story) -> None:
    story.calls(WORKER, "fork", 9, result=7)
    told = {"expected": "one process", "cause_text": "the pool consists of threads"}
    assert ask(threads.rule, story.scene("threads", **told)) == ("processes_where_threads_should_be", 9)


def test_a_listener_that_is_left_open_at_the_end(story: Story) -> None:
    story.begins(MAIN, "accept", 21, fd=3)
    story.calls(WORKER, "sigwait", 28)
    story.calls(WORKER, "pthread_cond_broadcast", 15, 29)
    assert ask(stopping.rule, story.scene("shutdown")) == ("the_listener_is_left_open", 29)


def test_a_worker_that_nobody_wakes_at_the_end(story: Story) -> None:
    story.begins(MAIN, "pthread_cond_wait", 20)
    story.calls(WORKER, "sigwait", 28)
    assert ask(stopping.rule, story.scene("shutdown")) == ("who_waits_is_not_woken", 28)


def test_sigterm_that_is_blocked_and_not_waited_for(story: Story) -> None:
    story.calls(MAIN, "pthread_sigmask", 20)
    scene = story.scene("shutdown", masked=frozenset({signal.SIGTERM}))
    assert ask(stopping.rule, scene) == ("sigterm_is_not_heard", 20)


def test_an_end_by_eintr_is_where_the_source_names_it(story: Story) -> None:
    story.calls(MAIN, "accept", 21, fd=3, result=-1, error=errno.EINTR)
    assert ask(rules.rule, story.scene("eintr", exit_code=1)) == ("it_ended_itself", 23)


def test_bytes_that_are_read_to_the_wrong_place(story: Story) -> None:
    story.calls(MAIN, "read", 9, fd=4, result=5)
    story.begins(MAIN, "read", 9, 24, fd=4)
    scene = story.scene("echo", cause_text="the bytes are changed on their way: a buffer is shared")
    assert ask(rules.rule, scene) == ("the_bytes_are_changed", 9)


def test_a_thread_that_could_not_be_started_is_a_failure(story: Story) -> None:
    story.calls(MAIN, "pthread_create", 24, result=errno.EAGAIN, error=errno.EAGAIN)
    assert ask(rules.rule, story.scene("robustness", exit_code=1)) == ("it_ended_itself", 24)
