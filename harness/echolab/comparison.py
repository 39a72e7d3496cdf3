"""What a comparison of servers has found: figures with their spread, and who is ahead."""

import json
import math
import statistics
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

SCHEMA = "echolab/bench/v1"

# What is measured, with its unit. In JSON all is as it is here; tables round it.
UNITS = {
    "floor": "1/s",  # round trips of the floor (harness/load/ping.hpp)
    "floor_share": "1",  # round trips of one client, as a share of the floor's, taken in turn
    "round_trips": "1/s",
    "latency_p50": "ns",
    "latency_p99": "ns",
    "latency_p99.9": "ns",
    "scheduled_p50": "ns",  # the same, where messages come by a fixed schedule
    "scheduled_p99": "ns",
    "scheduled_p99.9": "ns",
    "switches": "1/round trip",  # how often a thread of the server was given a processor
    "processor": "ns/round trip",  # that the server used
    "generator_share": "1",  # of the processor time that generator and server used together
    "generator_code": "1",  # of it, what the generator used in its own code; the rest is the kernel's, for TCP
    "connections": "1/s",
    "memory": "B/client",  # PSS: shared pages are divided among those who share them
    "base_memory": "B",
    "first_byte": "ns",  # for a client that comes while another one holds on
    "beside_slow": "1",  # round trips beside one client that never reads, as a share of without it
    "transfer": "B/s",
}
_MORE_IS_BETTER = {"floor_share", "round_trips", "connections", "beside_slow", "transfer"}
NOISE = (
    "other programs took {:.0%} of the processor while the floor was measured",
    "the floor itself varied so much that it is known to ±{:.0%} only",
    "the figures varied so much that half of them are known to ±{:.0%} at best",
)
_NOISY_SPREAD = 0.2  # of the floor
_NOISY_FIGURES = 0.3  # of the figures that depend on the number of clients, usually
_NOISY_LOSS = 0.1  # of the floor's processor time, taken by others


@dataclass(frozen=True)
class Key:
    """One figure: what was measured, and with how many clients where that is varied."""

    figure: str
    clients: int | None = None


@dataclass
class Figure:
    """One figure's samples, one for each repetition, by repetition."""

    samples: dict[int, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.samples.values())

    @property
    def bounds(self) -> tuple[float, float]:
        """See _where_the_median_is()."""
        return _where_the_median_is(list(self.samples.values()))

    @property
    def spread(self) -> float:
        """The width of the range that has the median in it as a share of the median."""
        low, high = self.bounds
        return (high - low) / self.median if self.median else 0.0


@dataclass
class Row:
    """One server and its figures; `problems` says what could not be measured, and why.

    `same_model` is False for one that is shown beside the others of its lesson, and works otherwise.
    """

    name: str
    model: int
    ours: bool
    same_model: bool = True
    figures: dict[Key, Figure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, figure: str, repetition: int, value: float, clients: int | None = None) -> None:
        assert figure in UNITS
        self.figures.setdefault(Key(figure, clients), Figure()).samples[repetition] = value

    def median(self, figure: str, clients: int | None = None) -> float | None:
        found = self.figures.get(Key(figure, clients))
        return found.median if found else None


@dataclass(frozen=True)
class Standing:
    """How one of our servers stands against the best peer of its model, or one of another, in one figure.

    `ratio` is above 1 where ours is better: the median of the repetitions', which with a probability of nine
    tenths is between `low` and `high`. If 1 is, too, the two are level.
    """

    ours: str
    peer: str
    key: Key
    ratio: float
    low: float
    high: float

    @property
    def word(self) -> str:
        if self.low <= 1 <= self.high or abs(self.ratio - 1) <= 0.02:
            return "level"
        return "ahead" if self.ratio > 1 else "behind"


@dataclass
class Comparison:
    """Everything that one `lab bench` has measured."""

    settings: dict[str, Any]
    machine: dict[str, Any]
    models: dict[int, str]
    floor: Figure = field(default_factory=Figure)
    floor_loss: Figure = field(default_factory=Figure)  # of its processor time, to other programs
    rows: list[Row] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    complete: bool = False

    def noise(self) -> tuple[str, float] | None:
        """Why the figures are not to be trusted, if they are not: one of NOISE, and the share that belongs in it."""
        if not self.floor.samples:
            return None
        lost, spread = self.floor_loss.median, self.floor.spread
        if lost > _NOISY_LOSS:
            return NOISE[0], lost
        if spread > _NOISY_SPREAD:
            return NOISE[1], spread / 2
        spreads = [f.spread for row in self.rows for key, f in row.figures.items() if key.clients]
        if spreads and (usual := statistics.median(spreads)) > _NOISY_FIGURES:
            return NOISE[2], usual / 2
        return None

    def generator(self) -> tuple[float, float, float] | None:
        """At the generator's highest rate: that, in round trips a second, and which share of the processor time was
        the generator's, and which of all its own code's."""
        shares = ("generator_share", "generator_code")
        found = [
            (rate.median, *(row.figures[Key(name, key.clients)].median for name in shares))
            for row in self.rows
            for key, rate in row.figures.items()
            if key.figure == "round_trips" and Key("generator_code", key.clients) in row.figures
        ]
        return max(found, default=None)

    def curve(self) -> list[int]:
        """The numbers of clients that were tried."""
        return sorted({key.clients for row in self.rows for key in row.figures if key.clients})

    def standings(self) -> list[Standing]:
        """Each of our servers against the best peer of its model, and each of another, figure by figure."""
        found = []
        compared = [Key("round_trips", clients) for clients in self.curve()]
        for row in filter(attrgetter("ours"), self.rows):
            beside = [other for other in self.rows if not other.ours and other.model == row.model]
            peers = [other for other in beside if other.same_model]
            for group in [peers, *([other] for other in beside if not other.same_model)]:
                for key in [*compared, Key("connections"), Key("transfer"), Key("memory")]:
                    if standing := _standing(row, group, key):
                        found.append(standing)
        return found

    def as_data(self) -> dict[str, Any]:
        """As plain data, in the form of report/bench.schema.json."""
        noise = self.noise()
        return {
            "schema": SCHEMA,
            "complete": self.complete,
            "noise": noise and noise[0].format(noise[1]),
            "machine": self.machine,
            "settings": self.settings,
            "floor": _figure(Key("floor"), self.floor) if self.floor.samples else None,
            "servers": [
                {
                    "name": row.name,
                    "model": row.model,
                    "ours": row.ours,
                    "same_model": row.same_model,
                    "figures": [_figure(key, figure) for key, figure in row.figures.items()],
                    "problems": row.problems,
                }
                for row in self.rows
            ],
            "standings": [
                {
                    "ours": standing.ours,
                    "peer": standing.peer,
                    "figure": standing.key.figure,
                    "clients": standing.key.clients,
                    "ratio": round(standing.ratio, 4),
                    "spread": round((standing.high - standing.low) / 2, 4),
                    "word": standing.word,
                }
                for standing in self.standings()
            ],
            "absent": self.absent,
        }

    def as_json(self) -> str:
        return json.dumps(self.as_data(), indent=2, ensure_ascii=False) + "\n"


def _standing(row: Row, peers: list[Row], key: Key) -> Standing | None:
    own = row.figures.get(key)
    others = [(peer, found) for peer in peers if (found := peer.figures.get(key))]
    if not own or not others:
        return None
    sign = 1 if key.figure in _MORE_IS_BETTER else -1
    peer, best = max(others, key=lambda other: sign * other[1].median)
    # Repetition by repetition: what slowed the machine down slowed both down.
    ratios = [
        (own.samples[n] / best.samples[n]) ** sign
        for n in own.samples
        if best.samples.get(n) and own.samples[n]
    ]
    if not ratios:
        return None
    return Standing(row.name, peer.name, key, statistics.median(ratios), *_where_the_median_is(ratios))


def _where_the_median_is(samples: list[float]) -> tuple[float, float]:
    """Bounds between which the median is with a probability of 0.9, whatever the samples' distribution; of
    fewer than five samples just the extremes. (The sign test's: each sample is above it as often as below.)
    """
    ordered, number = sorted(samples), len(samples)
    left_out, outside = 0, 2 / 2**number
    while (outside := outside + 2 * math.comb(number, left_out + 1) / 2**number) <= 0.1:
        left_out += 1
    return ordered[left_out], ordered[-1 - left_out]


def _figure(key: Key, figure: Figure) -> dict[str, Any]:
    return {
        "figure": key.figure,
        "clients": key.clients,
        "unit": UNITS[key.figure],
        "median": _rounded(figure.median),
        "spread": round(figure.spread, 4),
        "samples": [_rounded(value) for value in figure.samples.values()],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
