"""Rules about threads: what they share, how many there are, who waits and who should wake whom."""

import re
from collections import Counter

from echolab.diagnosis.finding import Finding, Rules
from echolab.diagnosis.scene import (
    ACCEPTS,
    BIRTHS,
    CONDITIONS,
    POLLS,
    READS,
    SLEEPS,
    WAKES,
    WRITES,
    Call,
    Scene,
    source,
)
from echolab.witness import Kind, Place

rule = Rules()

_GROWS = r"\b(emplace_back|push_back|resize|insert)\("
_ONE_TOO_FAR = r"<= *\w+(\.size\(\))?"
_TAKES_OUT = r"\b(pop\w*|erase|extract)\("
_PUTS_IN = r"\b(push\w*|emplace\w*|insert)\("
_GIVES_UP = r"\breturn (-1|false|nullptr)\b"
_LEAVES = (r"\breturn\b", r"\bbreak\b")  # a function rather than a loop


def _is_by(scene: Scene, call: Call, *, acceptor: bool) -> bool:
    return ((call.pid, call.tid) == scene.acceptor) is acceptor


def _first_accept(scene: Scene) -> int | None:
    """When the first client was accepted."""
    return min((c.end for c in scene.named(*ACCEPTS) if c.exit and not c.error), default=None)


# -- what is shared, and by whom


@rule
def threads_share_a_buffer(scene: Scene) -> Place | None:
    """The declaration of what the last read wrote to."""
    if "shared" not in scene.cause_text or not _has_threads(scene):
        return None
    place = scene.inner(scene.last([c for c in scene.named(*READS) if (c.result or 0) > 0]))
    if not place:
        return None
    text = "".join(source(place.file)[place.line - 1 : place.line])
    buffer = re.search(r"\w+\([^,()]*(?:\([^()]*\))?[^,()]*, *&?(\w+)", text)
    declared = rf"^.*\w[\w:<>]* +{buffer[1]}(\[|;|\{{)" if buffer else r"\bstatic\b"
    return scene.line_with(declared, place, before=40) or scene.anywhere(declared) or place


@rule
def processes_where_threads_should_be(scene: Scene) -> Place | None:
    if "process" not in scene.expected or scene.area not in ("concurrency", "threads"):
        return None
    forks = [call for call in scene.named("fork") if call.result]
    return scene.inner(scene.last(forks)) if "thread" in scene.cause_text else None


# -- too many at once


@rule
def a_thread_is_started_for_a_client_of_a_pool(scene: Scene) -> Place | None:
    first = _first_accept(scene)
    if first is None or scene.area not in ("pool", "threads") or "workers" not in scene.cause_text:
        return None
    later = [c for c in scene.named("pthread_create") if c.time > first and not c.error]
    return scene.outer(scene.last(later))


@rule
def a_slot_is_free_before_its_client_has_left(scene: Scene) -> Place | None:
    """A client's thread wakes who waits for a slot, and only then reads."""
    if scene.area != "slots" or "served at once" not in scene.observed:
        return None
    for call in scene.named(*WAKES):
        if _is_by(scene, call, acceptor=True):
            continue
        reads = [c for c in scene.named(*READS) if (c.pid, c.tid) == (call.pid, call.tid)]
        if reads and all(read.time > call.time for read in reads):
            return scene.outer(call)
    return None


@rule
def nothing_limits_how_many(scene: Scene) -> Place | None:
    """The line of the step's function that makes room, counts one too many, or starts the workers."""
    if scene.area not in ("slots", "pool") or "served at once" not in scene.observed:
        return None
    began = scene.definition(scene.functions[0])
    if not began:
        return None
    patterns = (_GROWS, _ONE_TOO_FAR) if scene.area == "slots" else (r"\b(while|for)\b",)
    return next((p for pattern in patterns if (p := scene.in_body(pattern, began))), None)


# -- who ends, and who turns clients away


@rule
def it_takes_full_for_the_end(scene: Scene) -> Place | None:
    """The server has ended by itself, though no call had failed: the step's function gave up."""
    if scene.exit_code != 0 or scene.area in ("shutdown", "startup", "echo"):
        return None
    calls = scene.named(*ACCEPTS, *BIRTHS, *READS, *WRITES)
    if not scene.named("pthread_create") or any(call.error for call in calls):
        return None
    began = scene.definition(scene.functions[0])
    return began and scene.in_body(_GIVES_UP, began)


@rule
def a_client_is_turned_away(scene: Scene) -> Place | None:
    """Whoever accepts closes a client that nobody has read from."""
    if scene.area != "pool":
        return None
    waiting: set[int | None] = set()
    for call in scene.calls:
        if call.name in ACCEPTS and call.exit and not call.error:
            waiting.add(call.result)
        elif call.name in READS:
            waiting.discard(call.fd)
        elif call.name == "close" and call.fd in waiting and _is_by(scene, call, acceptor=True):
            place = scene.outer(call)
            began = place and scene.called_at(place)
            return (began and scene.in_body(_GIVES_UP, began)) or place
    return None


@rule
def a_worker_has_ended(scene: Scene) -> Place | None:
    """By a way out of its loop: behind the call that failed, or where it was woken and found nothing."""
    if scene.area != "pool" or scene.exit_code is not None:
        return None
    ended = [(e.pid, e.tid) for e in scene.events if e.kind is Kind.END and e.call == "thread"]
    if not ended:
        return None
    calls = [c for c in scene.calls if (c.pid, c.tid) == ended[-1] and scene.inner(c)]
    if not calls:
        return None
    if calls[-1].name in CONDITIONS:
        return scene.inner(calls[-1])
    failed = scene.last([call for call in calls if call.name in (*READS, *WRITES) and call.error])
    place = scene.in_step(failed or calls[-1])
    if not place or not failed:
        return place and scene.function(place)
    return next((p for way in _LEAVES if (p := scene.line_with(way, place, after=8))), place)


# -- who waits, and is not woken


@rule
def a_slot_is_lost_when_something_fails(scene: Scene) -> Place | None:
    """Whoever accepts waits for a slot, and something has failed: the way on from there."""
    waits = [c for c in scene.blocked if c.name in CONDITIONS and _is_by(scene, c, acceptor=True)]
    if not waits or scene.area not in ("slots", "robustness"):
        return None
    calls = scene.named(*ACCEPTS, *BIRTHS, *READS, *WRITES)
    failed = scene.last([call for call in calls if call.error and scene.inner(call)])
    if not failed:
        return None
    if failed.name in BIRTHS:
        return scene.outer(failed)
    if not (place := scene.in_step(failed)):
        return None
    ways = (r"\bcontinue\b",) if failed.name in ACCEPTS else _LEAVES
    return next((p for way in ways if (p := scene.line_with(way, place, after=10))), place)


@rule
def the_mutex_is_not_given_back(scene: Scene) -> Place | None:
    """A thread sleeps outside of any call that is watched, for a mutex: who has it naps, or itself."""
    if scene.area in ("cpu", "shutdown") or not _has_threads(scene):
        return None
    within = {(call.pid, call.tid) for call in scene.blocked}
    stuck = [e for e in scene.samples if (e.pid, e.tid) not in within and scene.inner(e)]
    if not stuck:
        return None
    naps = [c for c in scene.named(*SLEEPS, *POLLS) if _is_nap(c) and scene.inner(c)]
    if naps:
        return scene.inner(naps[-1])
    return Counter(scene.inner(event) for event in stuck).most_common(1)[0][0]


def _has_threads(scene: Scene) -> bool:
    return any(event.kind is Kind.START and event.call == "thread" for event in scene.events)


def _is_nap(call: Call) -> bool:
    return call.name in SLEEPS or call.enter.arguments[0] == 0


@rule
def who_waits_for_room_is_not_woken(scene: Scene) -> Place | None:
    """Whoever accepts sleeps, and the threads that take clients out say nothing."""
    first = _first_accept(scene)
    waits = [c for c in scene.blocked if c.name in CONDITIONS]
    if first is None or scene.area != "pool" or not any(_is_by(scene, c, acceptor=True) for c in waits):
        return None
    if any(_is_by(scene, call, acceptor=False) for call in scene.named(*WAKES)):
        return None
    others = [c for c in scene.named(*CONDITIONS) if _is_by(scene, c, acceptor=False)]
    place = scene.inner(scene.last(others))
    return place and (scene.line_with(_TAKES_OUT, place, after=12) or place)


@rule
def nobody_is_woken_for_a_client(scene: Scene) -> Finding | None:
    """Clients are accepted while threads wait for them, and nobody wakes these."""
    first = _first_accept(scene)
    waits = [c for c in scene.blocked if c.name in CONDITIONS and _is_by(scene, c, acceptor=False)]
    if first is None or not waits or scene.named(*READS) or scene.area == "shutdown":
        return None
    if any(call.time > first for call in scene.named(*WAKES)):
        return None
    began = scene.definition(scene.functions[0])
    cause = "nobody serves the client that has come: who sleeps until one comes is not woken"
    return Finding(scene.in_body(_PUTS_IN, began) or began, cause) if began else None


@rule
def the_last_is_served_first(scene: Scene) -> Place | None:
    """Where a worker waits and then takes a client out."""
    if scene.area != "pool" or "order" not in scene.check:
        return None
    waits = [c for c in scene.named(*CONDITIONS) if _is_by(scene, c, acceptor=False)]
    place = scene.inner(scene.last(waits))
    return place and (scene.line_with(r"\bback\(|\btop\(|\brbegin\(", place, after=12) or place)
