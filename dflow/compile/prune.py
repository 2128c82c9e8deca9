"""Keep the operations that the fetches need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dflow.graph import Operation, Tensor


@dataclass(frozen=True)
class Needed:
    """The operations that a run needs, in an order they can run in: that of their creation, if there are no loops.

    folded: an operation of a loop -> the loop, which is in `ops` in its place; see `frames.py`.
    literals: constants that wait for an operation of their branch, but may be part of the programs that use them.
    members: the operations that others of this run may wait for; None: all.
    """

    ops: tuple[Operation, ...]
    fetches: tuple[Tensor | Operation, ...]
    feeds: tuple[Tensor, ...]
    folded: Mapping[Operation, Any] = field(default_factory=dict)
    literals: Set[Operation] = frozenset()
    members: Set[Operation] | None = None

    @cached_property
    def fed(self) -> set[Tensor]:
        return set(self.feeds)

    def maker(self, tensor: Tensor) -> Operation:
        """The operation, or the loop, that computes a tensor."""
        op: Operation = self.folded.get(tensor.op, tensor.op) if self.folded else tensor.op
        return op

    def waited_for(self, op: Operation) -> list[Operation]:
        """The control inputs of an operation, and loops in the place of theirs."""
        ops = waited_for(op, self.fed)
        if self.members is not None:
            ops = [it for it in ops if it in self.members]
        return list(dict.fromkeys(self.folded.get(it, it) for it in ops)) if self.folded else ops

    def before(self, op: Operation) -> list[Operation]:
        """The operations that must have ended before `op` starts."""
        fed = self.fed
        if not self.folded and self.members is None:
            return [tensor.op for tensor in op.operands if tensor not in fed] + waited_for(op, fed)
        return [self.maker(tensor) for tensor in op.operands if tensor not in fed] + self.waited_for(op)

    def is_literal(self, op: Operation) -> bool:
        """Whether it is a constant whose value is part of the programs that use it."""
        return is_literal(op) or op in self.literals


def prune(fetches: Iterable[Tensor | Operation], feeds: Iterable[Tensor]) -> Needed:
    """Follow data and control inputs back from the fetches.

    A fed tensor does not need its producer, and nothing waits for a fed placeholder: its value is there.
    """
    fetches, feeds = tuple(fetches), tuple(feeds)
    fed = set(feeds)
    waiting = [item if isinstance(item, Operation) else item.op for item in fetches if item not in fed]
    ops: set[Operation] = set()
    while waiting:
        op = waiting.pop()
        if op in ops:
            continue
        ops.add(op)
        waiting.extend(tensor.op for tensor in op.operands if tensor not in fed)
        waiting.extend(waited_for(op, fed))
    return Needed(tuple(sorted(ops, key=lambda op: op.index)), fetches, feeds)


def is_literal(op: Operation) -> bool:
    """Whether it is a constant that waits for nothing."""
    return op.type == "Const" and not op.control_inputs


def waited_for(op: Operation, fed: Set[Tensor]) -> list[Operation]:
    """The control inputs that an operation waits for, without fed placeholders, which need not run.

    Another operation whose output is fed runs all the same, for its side effects.
    Nothing waits for a gate of gradients: TensorFlow's gates keep an update of a variable from the gradients that still
    read it, which here have its value as it was.  So gradients that nobody needs, such as those of a batch, are not
    computed.
    """
    return [
        it
        for it in op.control_inputs
        if not (it in it.graph.gradient_gates or (it.definition.kind == "Placeholder" and it.outputs[0] in fed))
    ]


def check_pruned(needed: Needed) -> None:
    """Check that every input is fed or computed earlier, and that no operation is there twice."""
    earlier = set[Operation]()
    for op in needed.ops:
        missing = [before.name for before in needed.before(op) if before not in earlier]
        if missing or op in earlier:
            raise AssertionError(f"prune: {op.name} comes twice or before its inputs {missing}")
        earlier.add(op)
