"""Rules about the end on SIGTERM: who hears it, whom that wakes, and who sleeps on."""

import signal

from echolab.diagnosis.finding import Rules
from echolab.diagnosis.rules import a_reset_was_asked_for
from echolab.diagnosis.scene import ACCEPTS, CONDITIONS, READS, WAKES, Call, Scene, plain_name
from echolab.witness import Place

rule = Rules()


def _heard(scene: Scene) -> Call | None:
    """The sigwait that SIGTERM has ended."""
    waits = [call for call in scene.named("sigwait") if call.exit and not call.error]
    return scene.last(waits) if scene.area == "shutdown" else None


def _since(scene: Scene, heard: Call) -> list[Call]:
    """What the thread that heard SIGTERM has done since."""
    own = (heard.pid, heard.tid)
    return [c for c in scene.calls if (c.pid, c.tid) == own and c.time > heard.end and scene.inner(c)]


def _function_of_the_step(scene: Scene, calls: list[Call]) -> Place | None:
    """Where the failed step's function begins in which one of these calls was made."""
    names = {plain_name(name) for name in scene.functions}
    for call in calls:
        for place in scene.own_places(call.enter):
            if plain_name(place.function) in names and (found := scene.function(place)):
                return found
    return None


@rule
def the_listener_is_left_open(scene: Scene) -> Place | None:
    """SIGTERM was heard, but whoever accepts sleeps on in accept."""
    heard = _heard(scene)
    if not heard or not any(call.name in ACCEPTS for call in scene.blocked):
        return None
    return scene.outer(scene.last(_since(scene, heard))) or scene.inner(heard)


@rule
def who_waits_is_not_woken(scene: Scene) -> Place | None:
    """Somebody waits for a slot, room or work since before SIGTERM was heard."""
    heard = _heard(scene)
    if not heard or not any(c.name in CONDITIONS and c.time < heard.end for c in scene.blocked):
        return None
    wakes = [call for call in scene.named(*WAKES) if call.time > heard.end and scene.inner(call)]
    since = _since(scene, heard)
    return scene.inner(scene.last(wakes)) or _function_of_the_step(scene, since) or scene.inner(heard)


@rule
def clients_are_not_shut_down(scene: Scene) -> Place | None:
    """A thread sleeps in read, and nobody has shut its client down."""
    heard = _heard(scene)
    if not heard:
        return None
    shut = {call.fd for call in scene.named("shutdown") if call.time > heard.end}
    if not any(call.name in READS and call.fd not in shut for call in scene.blocked):
        return None
    return _function_of_the_step(scene, _since(scene, heard)) or _who_waits_for_the_end(scene, heard)


@rule
def the_end_waits_for_ever(scene: Scene) -> Place | None:
    """Whoever accepts waits for others to end, and they do not."""
    heard = _heard(scene)
    return _who_waits_for_the_end(scene, heard) if heard else None


def _who_waits_for_the_end(scene: Scene, heard: Call) -> Place | None:
    for call in scene.blocked:
        if (call.pid, call.tid) == scene.acceptor and call.time > heard.end:
            # A join is right in itself; the question is who asks for it too early.
            return scene.outer(call) if call.name == "pthread_join" else scene.in_step(call)
    return None


@rule
def children_are_left_behind(scene: Scene) -> Place | None:
    """The parent has ended and its children live: the last line of the function that accepts."""
    if scene.area != "shutdown" or scene.exit_code is None or "other process" not in scene.observed:
        return None
    place = scene.outer(scene.last(scene.named(*ACCEPTS, pid=scene.main)))
    return place and (scene.line_with(rf"^  return {scene.exit_code};", place, after=40) or place)


@rule
def sigterm_is_not_heard(scene: Scene) -> Place | None:
    """What was done about SIGTERM: ignored, blocked, or a handler whose word nobody hears."""
    if scene.area != "shutdown" or _heard(scene) or a_reset_was_asked_for(scene):
        return None
    for call in reversed(scene.named("sigaction", "signal", pid=scene.main)):
        if call.enter.arguments[0] == signal.SIGTERM and call.enter.arguments[1] >> 32 >= 1:
            return scene.inner(call)
    masks = scene.named("sigprocmask", "pthread_sigmask", pid=scene.main)
    return scene.inner(scene.last(masks)) if signal.SIGTERM in scene.masked else None
