"""What `lab trace` lets clients do to a server, as data: small scenes, each of which shows one thing."""

from dataclasses import dataclass, field


class UnknownScenario(Exception):
    """There is no such scenario for this lesson; the text says which there are."""


@dataclass(frozen=True)
class Scenario:
    """A scene: `script` has a line for each act, in order. `options` are the server's: slots, threads.

    A line names a client by its number, or the server, and what it does (see tracing.py).
    """

    name: str
    lessons: tuple[int, ...]
    shows: str
    script: str
    options: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.script.strip().splitlines()]


_A_THIRD_WAITS = """
    1 connects
    1 says one
    2 connects
    2 says two
    3 connects
    3 sends three
    server sleeps
    1 leaves
    3 hears three
    3 leaves
    2 leaves
    server sleeps
    """
SCENARIOS = (
    Scenario(
        "accept-blocks",
        (1, 2, 3, 4),
        "the server waits in accept until a client comes, and in read until it speaks",
        """
        server sleeps
        1 connects
        server sleeps
        1 says hello
        1 leaves
        server sleeps
        """,
    ),
    Scenario(
        "slow-client",
        (1, 2, 3, 4),
        "one client is silent; does the other have to wait for it?",
        """
        1 connects
        server sleeps
        2 connects
        2 sends hello
        server sleeps
        1 leaves
        2 hears hello
        2 leaves
        server sleeps
        """,
    ),
    Scenario(
        "slow-reader",
        (1, 2, 3, 4),
        "a client sends and does not read: write waits for room",
        """
        1 connects
        1 sends until the server is stuck
        1 hears it all
        1 leaves
        server sleeps
        """,
    ),
    Scenario(
        "half-close",
        (1, 2, 3, 4),
        "a client says that it has no more to send, and still gets its echo",
        """
        1 connects
        1 sends hello
        1 half-closes
        1 hears hello
        1 hears the end
        server sleeps
        """,
    ),
    Scenario(
        "reset",
        (1, 2, 3, 4),
        "a client vanishes with a reset: read fails, the server stays",
        """
        1 connects
        1 says hello
        1 resets
        server sleeps
        2 connects
        2 says still there?
        2 leaves
        server sleeps
        """,
    ),
    Scenario(
        "interrupted-accept",
        (1, 2),
        "a signal interrupts accept: EINTR, and accept is called again",
        """
        server sleeps
        server is interrupted
        server sleeps
        1 connects
        1 says hello
        1 leaves
        server sleeps
        """,
    ),
    Scenario(
        "fork-and-reap",
        (2,),
        "a child for each client, and what happens when one after the other ends",
        """
        1 connects
        1 says hello
        2 connects
        2 says hi
        1 leaves
        server sleeps
        2 leaves
        server sleeps
        """,
    ),
    Scenario(
        "sigchld",
        (2,),
        "a child ends while its parent waits in accept: SIGCHLD, and what becomes of accept",
        """
        1 connects
        1 says hello
        server sleeps
        1 leaves
        server sleeps
        2 connects
        2 says still there?
        """,
    ),
    Scenario(
        "zombies",
        (2,),
        "three children end while their parent is stopped: zombies, and one SIGCHLD for all of them",
        """
        1 connects
        1 says one
        2 connects
        2 says two
        3 connects
        3 says three
        server stops
        1 leaves
        2 leaves
        3 leaves
        server has zombies 3
        server continues
        server sleeps
        """,
    ),
    Scenario(
        "two-threads",
        (3,),
        "two threads, each with a slot of the same table",
        """
        1 connects
        1 says one
        2 connects
        2 says two
        1 says three
        1 leaves
        2 leaves
        server sleeps
        """,
        {"slots": 2},
    ),
    Scenario(
        "slots",
        (3,),
        "two slots, three clients: the third is served when a thread gives its slot back",
        _A_THIRD_WAITS,
        {"slots": 2},
    ),
    Scenario(
        "pool",
        (4,),
        "two workers, three clients: the third waits in the queue until a worker is free",
        _A_THIRD_WAITS,
        {"threads": 2},
    ),
    Scenario(
        "shutdown",
        (2, 3, 4),
        "SIGTERM while a client is connected",
        """
        1 connects
        1 says hello
        server gets SIGTERM
        server ends
        """,
    ),
)

_DEFAULTS = {1: "slow-client", 2: "fork-and-reap", 3: "slots", 4: "pool"}


def find(lesson: int, name: str | None = None) -> Scenario:
    """The scenario of that name, or the one that shows the lesson's point. Raises UnknownScenario."""
    wanted = name or _DEFAULTS.get(lesson, "accept-blocks")
    fitting = [scenario for scenario in SCENARIOS if lesson in scenario.lessons]
    found = next((scenario for scenario in fitting if scenario.name == wanted), None)
    if not found:
        names = ", ".join(scenario.name for scenario in fitting)
        raise UnknownScenario(f"lesson {lesson} has no scenario {wanted!r}; it has: {names}")
    return found


def listing() -> list[str]:
    """All of them, a line each."""
    return [
        f"{scenario.name} ({', '.join(map(str, scenario.lessons))}): {scenario.shows}"
        for scenario in SCENARIOS
    ]
