"""What the writer of a program knows of its graph: what can be fetched, and what happens when it is.

A run is only worth comparing if its outcome is certain.  So each operation with an effect, and each that may wait or
fail, knows which of them come before it in any run: two that touch the same resource, or one that may fail and one with
an effect, must have an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from tests.fuzz_graphs.values import Shape

State = Literal["fine", "waits", "fails"]


def _fine() -> State:
    return "fine"


def _nothing() -> None:
    return None


@dataclass(eq=False)
class Effect:
    """An operation that touches a resource (reads it, or changes it), or that may fail.

    state: how a run of it would end now.  apply: what the model of its resource makes of it.
    """

    number: int
    before: frozenset[Effect]
    resource: str = ""
    writes: bool = False
    of_variable: bool = False
    state: Callable[[], State] = _fine
    apply: Callable[[], None] = _nothing


@dataclass(frozen=True)
class Node:
    """Something to fetch.  dtype: "" if it is no tensor.  needs: placeholders that have no value of their own.

    effects: of all that a run of it runs.  own: the last of these, if that is its own operation.
    """

    text: str
    dtype: str = ""
    shape: Shape = None
    needs: frozenset[str] = frozenset()
    effects: frozenset[Effect] = frozenset()
    own: Effect | None = None
    random: str = ""  # "one" or "many": elements in no certain order


@dataclass
class Closure:
    """What one run runs."""

    nodes: list[Node]
    effects: list[Effect] = field(init=False)

    def __post_init__(self) -> None:
        found = {effect for node in self.nodes for effect in node.effects}
        self.effects = sorted(found, key=lambda effect: effect.number)

    def is_certain(self) -> bool:
        """Has each pair of effects an order, if that matters?"""
        risky = [effect for effect in self.effects if effect.state() != "fine"]
        for one in self.effects:
            for other in self.effects:
                if one.number < other.number and one not in other.before:
                    both = one.resource == other.resource != "" and (one.writes or other.writes)
                    failing = (one in risky and (other.writes or other in risky)) or (other in risky and one.writes)
                    if both or failing:
                        return False
        return self._no_alias()

    def _no_alias(self) -> bool:
        """A tensor of TensorFlow may share its memory with a variable: none that is read before a write is fetched."""
        writes = [effect for effect in self.effects if effect.of_variable and effect.writes]
        for write in writes:
            touching = [it for it in self.effects if it.resource == write.resource and it is not write]
            early = any(it.writes or it in write.before for it in touching)
            if early and any(node.dtype and node.own is not write for node in self.nodes):
                return False
        return True

    def waits(self) -> bool:
        return self.ends() == "waits"

    def ends(self) -> State:
        return next((effect.state() for effect in self.effects if effect.state() != "fine"), "fine")

    def apply(self) -> None:
        for effect in self.effects:
            state = effect.state()
            effect.apply()
            if state != "fine":
                return


def union(nodes: Iterable[Node]) -> tuple[frozenset[str], frozenset[Effect]]:
    """The placeholders and the effects of all the nodes."""
    nodes = list(nodes)
    return (
        frozenset(need for node in nodes for need in node.needs),
        frozenset(effect for node in nodes for effect in node.effects),
    )
