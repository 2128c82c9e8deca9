"""The writer of one program: its lines so far, and what is in its graph."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

from tests.fuzz_graphs import values
from tests.fuzz_graphs.graph import Closure, Effect, Node, State, union
from tests.fuzz_graphs.values import Shape

if TYPE_CHECKING:
    from tests.fuzz_graphs.queue_model import Queue


class Writer:
    """nodes: what can be used and fetched.  feeds: placeholder -> its dtype and the shape of what it is fed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lines: list[str] = []
        self.nodes: list[Node] = []
        self.queues: list[Queue] = []
        self.variables: dict[str, tuple[str, tuple[int, ...], dict[str, bool]]] = {}
        self.feeds: dict[str, tuple[str, Shape]] = {}
        self.ran: list[tuple[str, Closure]] = []
        self.waits_left = self.random.choice([0, 0, 1, 2])  # runs that may wait until their time is over
        self._names: Counter[str] = Counter()
        self._numbers = itertools.count()

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def name(self, prefix: str) -> str:
        self._names[prefix] += 1
        return f"{prefix}{self._names[prefix] - 1}"

    def write(self, line: str, place: bool = True, control: str = "") -> None:
        """A line; what it makes waits for `control`, and is put on a device now and then."""
        blocks = [f"tf.control_dependencies([{control}])"] if control else []
        if place and self.maybe(0.25):
            blocks.insert(0, f"on({self.random.randint(0, 1)})")
        self.lines.append(f"with {', '.join(blocks)}: {line}" if blocks else line)

    def pick(self, fits: Callable[[Node], bool] = lambda node: True, new: float = 0.7) -> Node | None:
        """A node that fits, more likely one of the newest."""
        found = [node for node in self.nodes if fits(node)]
        if not found:
            return None
        return self.random.choice(found[-4:] if self.maybe(new) else found)

    def tensor(self, dtypes: Sequence[str]) -> Node | None:
        return self.pick(lambda node: node.dtype in dtypes and not node.random)

    def operand(self) -> Node | None:
        """A tensor or an operation."""
        return self.pick(lambda node: not node.random and (node.dtype != "" or not node.text.startswith("d")))

    def value(self, dtype: str, shape: tuple[int, ...], chance: float = 0.3, constant: bool = False) -> Node:
        """A literal, or, with that chance, a tensor of such a dtype and shape if there is one.

        constant: the literal is a tensor, too.
        """
        if self.maybe(chance):
            found = self.pick(lambda node: node.dtype == dtype and not node.random and _may_be(node.shape, shape))
            if found is not None:
                return found
        text = values.literal(self.random, dtype, shape)
        return Node(f"tf.constant({text}, tf.{dtype})" if constant else text, dtype, shape)

    def effect(
        self,
        inputs: Iterable[Node],
        resource: str = "",
        writes: bool = False,
        of_variable: bool = False,
        state: Callable[[], State] | None = None,
        apply: Callable[[], None] | None = None,
    ) -> Effect:
        before = union(inputs)[1]
        made = Effect(next(self._numbers), before, resource, writes, of_variable)
        made.state, made.apply = state or made.state, apply or made.apply
        return made

    def make(
        self,
        call: str,
        inputs: Sequence[Node],
        dtype: str = "",
        shape: Shape = None,
        effect: Effect | None = None,
        prefix: str = "x",
    ) -> Node:
        """A line that makes a node by `call`, which uses the inputs."""
        name = self.name(prefix)
        controls = self.controls(inputs)
        inputs = [*inputs, *controls]
        if effect is not None and controls:
            effect.before |= union(controls)[1]
        self.write(f"{name} = {call}", control=controls[0].text if controls else "")
        needs, effects = union(inputs)
        if effect is not None:
            effects |= {effect}
        node = Node(name, dtype, shape, needs, effects, effect)
        self.nodes.append(node)
        return node

    def controls(self, inputs: Sequence[Node]) -> list[Node]:
        """Control inputs of what is made of the inputs; mostly none."""
        if not self.maybe(0.15):
            return []
        found = self.operand()
        if found is None or not Closure([found, *inputs]).is_certain():
            return []
        return [found]


def _may_be(known: Shape, shape: tuple[int, ...]) -> bool:
    if known is None:
        return True
    return len(known) == len(shape) and all(size in (None, wanted) for size, wanted in zip(known, shape, strict=True))
