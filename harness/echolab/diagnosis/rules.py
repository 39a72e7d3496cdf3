"""From a scene to the line that is probably to blame, for what servers of any kind do wrong.

A rule looks at facts (how the server ended, what the check observed) and at the server's own calls.
It may say more about the cause than the check could. None of them is asked whether a check passes.
"""

import errno
import signal
from collections import Counter

from echolab.diagnosis.finding import Finding, Rules
from echolab.diagnosis.scene import (
    ACCEPTS,
    BIRTHS,
    CONDITIONS,
    POLLS,
    READS,
    SLEEPS,
    WAITS,
    WRITES,
    Call,
    Scene,
)
from echolab.witness import Kind, Place

_CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")
_MSG_DONTWAIT, _MSG_WAITALL = 0x40, 0x100
_SO_LINGER = 13
_SA_RESETHAND = 0x80000000


rule = Rules()


def _finding(place: Place | None, cause: str | None = None) -> Finding | None:
    return Finding(place, cause) if place else None


# -- it could not begin


@rule
def the_address_is_wrong(scene: Scene) -> Finding | None:
    """It listens, but elsewhere."""
    if "listens on" not in scene.observed:
        return None
    binds = scene.named("bind")
    place = scene.inner(scene.last(binds))
    if place and binds[-1].error:
        return _finding(place)
    what = r"sin_addr|INADDR_ANY" if "can connect" in scene.observed else r"sin_port"
    near = place and scene.line_with(what, place, before=25)
    return _finding(near or place or scene.anywhere(what))


@rule
def bind_or_listen_failed(scene: Scene) -> Finding | None:
    """The address is taken, or listen was never called."""
    if scene.area != "startup" or scene.named("listen") and scene.named(*ACCEPTS):
        return None
    made = scene.named("socket", "bind", "listen")
    failed = [call for call in made if call.error]
    if not failed and scene.named("listen"):
        return None
    if not failed:
        return _finding(scene.inner(scene.last(made)))
    place = scene.inner(failed[0])
    later = [call for call in scene.calls if call.time > failed[0].time and call.error]
    other = next((call for call in later if call.error != failed[0].error), None)
    if "reason is not said" in scene.cause_text and other:
        return _finding(scene.inner(other) or place)
    if ending := _own_end(scene):
        return _finding(ending)
    return _finding(place)


# -- signals that come at a bad moment


@rule
def the_handler_changes_errno(scene: Scene) -> Finding | None:
    if "errno" not in scene.check:
        return None
    for number, event in enumerate(scene.events):
        if event.kind is Kind.RETURN and event.error:
            inside = [
                e for e in scene.events[:number] if e.kind is Kind.EXIT and e.error and e.tid == event.tid
            ]
            return _finding(scene.inner(inside[-1]) if inside else None)
    return None


# -- it has ended


def _own_end(scene: Scene) -> Place | None:
    """Where the student's file itself ends a process: exit, _exit, in the process that accepts."""
    ends = [e for e in scene.events if e.kind is Kind.END and e.call == "process" and e.frames]
    ends += [call.enter for call in scene.named("exit")]
    ends = [event for event in ends if event.pid == scene.main]
    return scene.inner(ends[-1]) if ends else None


@rule
def it_crashed(scene: Scene) -> Finding | None:
    for event in reversed(scene.events):
        if event.kind is Kind.SIGNAL and event.call in _CRASHES:
            return _finding(scene.inner(event))
    return None


@rule
def sigpipe_killed_it(scene: Scene) -> Finding | None:
    """The write that never returned."""
    if scene.exit_code != -signal.SIGPIPE:
        return None
    writes = [call for call in scene.named(*WRITES) if not call.exit]
    return _finding(scene.inner(scene.last(writes)))


@rule
def it_ended_itself(scene: Scene) -> Finding | None:
    """By exit, or by a return from main after a call had failed."""
    if scene.exit_code is None or scene.exit_code < 0 or scene.area == "shutdown":
        return None
    if ending := _own_end(scene):
        return _finding(ending)
    own = [call for call in scene.calls if call.pid == scene.main and scene.inner(call)]
    accepts = [call for call in own if call.name in ACCEPTS]
    failed = [
        c
        for c in own
        if c.error and (c.name in BIRTHS or c.error != errno.EAGAIN and c.name in (*ACCEPTS, *READS, *WRITES))
    ]
    if failed:
        last = failed[-1]
        if last.error == errno.EINTR:
            place = scene.inner(last)
            return _finding(place and (scene.line_with(r"\bEINTR\b", place, after=18) or place))
        place = scene.in_step(last)
        return _finding(place and _way_out(scene, place))
    return _finding(scene.outer(scene.last(own)) if own else scene.outer(scene.last(accepts)))


def _way_out(scene: Scene, failed: Place) -> Place:
    """The statement behind a call that failed by which the server ends."""
    status = rf"\breturn {scene.exit_code}\b|\bexit\({scene.exit_code}\)|status = {scene.exit_code}\b"
    return (
        scene.line_with(status, failed, after=18)
        or scene.line_with(r"\bbreak\b|\breturn\b|\bexit\(", failed, after=18)
        or failed
    )


# -- signals


@rule
def a_signal_was_taken_for_a_failure(scene: Scene) -> Finding | None:
    """The last call that failed with EINTR."""
    if scene.area != "eintr":
        return None
    calls = (*ACCEPTS, *READS, *WRITES, *POLLS)
    interrupted = [call for call in scene.named(*calls) if call.error == errno.EINTR]
    return _finding(scene.inner(scene.last(interrupted)))


@rule
def sigchld_stays_blocked(scene: Scene) -> Finding | None:
    if scene.area not in ("zombies", "eintr") or signal.SIGCHLD not in scene.masked:
        return None
    masks = scene.named("sigprocmask", "pthread_sigmask", pid=scene.main)
    blocks = [call for call in masks if call.enter.arguments[0] == signal.SIG_BLOCK]
    return _finding(scene.inner(scene.last(blocks)), "SIGCHLD says when a child has ended, but it is kept blocked")


@rule
def a_wait_waits_for_the_living(scene: Scene) -> Finding | None:
    if scene.area == "shutdown":
        return None
    return _waits_for_the_living(scene)


@rule
def zombies_are_left(scene: Scene) -> Finding | None:
    if scene.area != "zombies":
        return None
    waits = scene.named(*WAITS, pid=scene.main)
    handlers = [
        call
        for call in scene.named("sigaction", "signal", pid=scene.main)
        if call.enter.arguments[0] == signal.SIGCHLD and call.enter.arguments[1] >> 32 == 2
    ]
    for call in handlers:
        if call.name == "sigaction" and call.enter.arguments[1] & _SA_RESETHAND:
            cause = "the handler is taken away when it has run once: it was installed with SA_RESETHAND"
            return _finding(scene.inner(call), cause)
    in_handler = [call for call in waits if _within_handler(scene, call)]
    if "handler" in scene.step_title and not handlers:
        return None
    if handlers and not in_handler and "next client" not in scene.observed and "Reap" not in scene.step_title:
        return _finding(scene.inner(handlers[-1]))
    return _finding(scene.inner(scene.last(in_handler or waits)))


def _within_handler(scene: Scene, call: Call) -> bool:
    depth = 0
    for event in scene.events:
        if event.tid != call.tid or event.pid != call.pid:
            continue
        if event.time > call.time:
            break
        if event.kind is Kind.SIGNAL:
            depth += 1
        elif event.kind is Kind.RETURN:
            depth -= 1
    return depth > 0


def _waits_for_the_living(scene: Scene) -> Finding | None:
    stuck = [call for call in scene.blocked if call.name in WAITS and call.pid == scene.main]
    return _finding(scene.inner(scene.last(stuck)))


# -- what goes on while it should not, or sleeps while it should not


@rule
def it_runs_or_looks_again_and_again(scene: Scene) -> Finding | None:
    """The place that is busiest: of the calls, else of the samples."""
    if scene.area != "cpu" and "processor time" not in scene.observed:
        return None
    naps = [call for call in scene.named(*SLEEPS) if scene.inner(call)]
    if naps:
        return _finding(scene.inner(naps[-1]))
    if len(scene.calls) > 200:
        recent = scene.calls[-200:]
        ended = [c for c in recent if c.name in READS and c.result == 0]
        if len(ended) > 20:
            chain = scene.own_places(ended[-1].enter)
            return _finding(scene.in_step(ended[-1]) if chain else None)
        names = Counter(call.name for call in recent)
        busiest = names.most_common(1)[0][0]
        return _finding(scene.inner(scene.last([c for c in recent if c.name == busiest])))
    places = Counter(place for event in scene.samples if (place := scene.inner(event)))
    return _finding(places.most_common(1)[0][0]) if places else None


@rule
def who_accepts_is_held_up(scene: Scene) -> Finding | None:
    """Whoever accepts sleeps in another call."""
    if scene.area in ("shutdown", "fds", "eintr", "echo", "cpu"):
        return None
    for call in scene.blocked:
        if (call.pid, call.tid) == scene.acceptor and call.name not in ACCEPTS:
            if call.name in CONDITIONS:
                continue
            return _finding(scene.inner(call))
    if not scene.named(*ACCEPTS):
        return _finding(scene.inner(scene.last(scene.blocked)))
    return None


# -- the echo


@rule
def the_listener_is_read(scene: Scene) -> Finding | None:
    for call in scene.named(*READS, *WRITES):
        if call.fd in scene.listeners and call.error in (errno.ENOTCONN, errno.EINVAL, errno.EPIPE):
            return _finding(scene.outer(call), "something else than the client is read: the listener itself")
    return None


@rule
def the_bytes_are_changed(scene: Scene) -> Finding | None:
    """As many come back as were read, and they are others: they were read to where they are not sent from."""
    if "changed on their way" not in scene.cause_text:
        return None
    return _finding(scene.inner(scene.last([c for c in scene.named(*READS) if (c.result or 0) > 0])))


@rule
def a_reset_was_asked_for(scene: Scene) -> Finding | None:
    lingers = [c for c in scene.named("setsockopt") if c.enter.arguments[0] == _SO_LINGER]
    return _finding(scene.inner(scene.last(lingers)))


@rule
def what_was_read_is_not_what_is_written(scene: Scene) -> Finding | None:
    """More, or less, is written than was read."""
    if scene.area not in ("echo", "eintr"):
        return None
    last_read: dict[tuple[int, int | None], Call] = {}
    pending: dict[tuple[int, int | None], int] = {}
    for call in scene.calls:
        key = (call.pid, call.fd)
        if call.name in READS and (call.result or 0) > 0:
            if pending.get(key, 0) > 0 and key in last_read and last_read[key].time < call.time:
                if short := _short_write(scene, key, last_read[key], call):
                    return short
            last_read[key], pending[key] = call, call.result or 0
        elif call.name in WRITES and call.fd not in scene.listeners:
            read = last_read.get(key)
            if read is None:
                if "greets" in scene.cause_text:
                    return _finding(scene.outer(call))
                continue
            if call.asked > pending[key] and call.asked != pending[key]:
                if call.enter.time > read.end and pending[key] == (read.result or 0):
                    return _finding(scene.common(call, read))
                return _finding(scene.inner(call))
            if call.error == errno.EINTR and "signal" in scene.check:
                continue
            pending[key] -= max(0, call.result or 0)
    for key, read in last_read.items():
        if pending[key] > 0 and (short := _short_write(scene, key, read, None)):
            return short
    return None


def _short_write(scene: Scene, key: tuple[int, int | None], read: Call, until: Call | None) -> Finding | None:
    """Of what `read` has brought, not all was written before `until`."""
    writes = [
        c
        for c in scene.named(*WRITES)
        if (c.pid, c.fd) == key and c.time > read.time and (until is None or c.time < until.time)
    ]
    if not writes:
        return None
    last = writes[-1]
    if last.exit is None:
        return None
    if last.error or (last.result or 0) < last.asked:
        return _finding(scene.inner(last))
    if sum(max(0, c.result or 0) for c in writes) < (read.result or 0):
        return _finding(scene.common(last, read))
    return None


@rule
def a_write_that_failed_was_not_repeated(scene: Scene) -> Finding | None:
    if "write" not in scene.check:
        return None
    failed = [c for c in scene.named(*WRITES) if c.error or (c.result or 0) < c.asked and c.exit]
    return _finding(scene.inner(scene.last(failed)))


@rule
def the_client_was_let_go_too_early(scene: Scene) -> Finding | None:
    """Closed without its end of file having been read: the last thing that was done with it."""
    if scene.area != "echo":
        return None
    for call in reversed(scene.named("close")[-20:]):
        before = [c for c in scene.calls if (c.pid, c.fd) == (call.pid, call.fd) and c.end < call.time]
        before = before[max((n for n, c in enumerate(before) if c.name == "close"), default=-1) + 1 :]
        used = [c for c in before if c.name in (*READS, *WRITES, *POLLS)]
        reads = [c for c in used if c.name in READS]
        if used and not any(c.result == 0 or c.error for c in reads):
            if used[-1].name in POLLS:
                return _finding(scene.inner(used[-1]))
            return _finding(scene.common(reads[-1], used[-1]) if reads else scene.inner(used[-1]))
    return None


@rule
def a_reader_waits_for_more(scene: Scene) -> Finding | None:
    """Somebody sleeps in read although there is something to answer."""
    if scene.area != "echo":
        return None
    for call in reversed(scene.blocked):
        if call.name not in (*READS, *POLLS) or not scene.inner(call):
            continue
        if any(c.fd == call.fd and (c.result or 0) > 0 for c in scene.named(*READS, pid=call.pid)):
            # What it has read already should have been answered: its caller reads on.
            place = scene.caller(call)
            return _finding(place and (scene.line_with(r"\bcontinue\b", place, after=8) or place))
        return _finding(scene.inner(call))
    places = [place for event in scene.samples if (place := scene.inner(event))]
    if not scene.named(*READS) and places:
        return _finding(places[-1])
    return None


# -- descriptors and threads


@rule
def a_child_accepts(scene: Scene) -> Finding | None:
    for call in scene.blocked:
        if call.name in ACCEPTS and call.pid != scene.main and scene.named(*ACCEPTS, pid=scene.main):
            return _finding(scene.inner(call))
    return None


@rule
def a_failed_birth_leaves_its_client_open(scene: Scene) -> Finding | None:
    if "failed_fork" not in scene.check and "failed_thread" not in scene.check:
        return None
    failed = [call for call in scene.named("fork", "pthread_create") if call.error]
    place = scene.inner(scene.last(failed))
    return _finding(place and (scene.line_with(r"< 0|== -1|!= 0", place, after=15) or place))


@rule
def a_child_keeps_the_listener(scene: Scene) -> Finding | None:
    if "port_is_free" not in scene.check:
        return None
    used = [c for c in scene.named(*READS) if c.pid != scene.main]
    closed = {c.pid for c in scene.named("close") if c.fd in scene.listeners}
    keeping = [call for call in used if call.pid not in closed]
    return _finding(scene.inner(keeping[0]) if keeping else None)


@rule
def a_descriptor_is_left_open(scene: Scene) -> Finding | None:
    """Of what was opened and not closed, the kind that there is most of: where it was used last."""
    if scene.area not in ("fds", "echo", "eintr", "robustness"):
        return None
    left: dict[int, Call] = {}
    for call in scene.calls:
        if call.pid != scene.main:
            continue
        if call.name in (*ACCEPTS, "open", "dup", "socket") and (call.result or -1) >= 0:
            left[call.result or 0] = call
        elif call.name == "close" and call.fd is not None:
            left.pop(call.fd, None)
    left = {fd: call for fd, call in left.items() if fd not in scene.listeners and scene.inner(call)}
    if not left:
        return None
    kinds = Counter(scene.inner(call) for call in left.values())
    place, _ = kinds.most_common(1)[0]
    fd, born = next((fd, call) for fd, call in left.items() if scene.inner(call) == place)
    if born.name not in ACCEPTS:
        return _finding(place)
    forks = [c for c in scene.named("fork", pid=scene.main) if c.time > born.time and c.result]
    if forks:
        after = [
            c
            for c in scene.calls
            if c.pid == scene.main and c.time > forks[0].end and _same_function(scene, c, forks[0])
        ]
        return _finding(scene.common(after[0], forks[0]) if after else scene.inner(forks[0]))
    used = [
        c
        for c in scene.calls
        if (c.pid, c.fd) == (born.pid, fd) and c.time > born.time and scene.inner(c)
    ]
    ended = any(c.name in READS and (c.result == 0 or c.error) for c in used)
    return _finding(scene.outer(used[-1])) if used and (ended or scene.area == "fds") else None


def _same_function(scene: Scene, one: Call, other: Call) -> bool:
    ours = {place.function for place in scene.own_places(one.enter)}
    fork = scene.inner(other)
    return bool(fork and fork.function in ours)
