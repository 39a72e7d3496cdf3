"""What a rule finds, and the list of all rules: the first that knows something decides."""

from collections.abc import Callable
from dataclasses import dataclass

from echolab.diagnosis.scene import Scene
from echolab.witness import Place


@dataclass(frozen=True)
class Finding:
    """A line, perhaps a cause that is more exact than the check's, and the rule that says so."""

    place: Place
    cause: str | None = None
    rule: str = ""


Rule = Callable[[Scene], Finding | Place | None]


class Rules:
    """Rules in their order. A rule is a function that a module decorates with its own list."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __call__(self, function: Rule) -> Rule:
        self._rules.append(function)
        return function

    def ask(self, scene: Scene) -> Finding | None:
        """The finding of the first rule that has one."""
        for rule in self._rules:
            found = rule(scene)
            if isinstance(found, Place):
                found = Finding(found)
            if found:
                return Finding(found.place, found.cause, rule.__name__)
        return None
