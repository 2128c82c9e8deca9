"""Keep the operations that the fetches need."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from dflow.graph import Operation, Tensor


@dataclass(frozen=True, slots=True)
class Needed:
    """The operations that a run needs, in the order of their creation, which is an order they can run in."""

    ops: tuple[Operation, ...]
    fetches: tuple[Tensor | Operation, ...]
    feeds: tuple[Tensor, ...]


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


def waited_for(op: Operation, fed: Set[Tensor]) -> list[Operation]:
    """The control inputs that an operation waits for, without fed placeholders, which need not run.

    Another operation whose output is fed runs all the same, for its side effects.
    """
    return [it for it in op.control_inputs if not (it.definition.kind == "Placeholder" and it.outputs[0] in fed)]


def check_pruned(needed: Needed) -> None:
    """Check that every input is fed or computed earlier, and that no operation is there twice."""
    fed, earlier = set(needed.feeds), set[Operation]()
    for op in needed.ops:
        missing = [t.name for t in op.operands if t not in fed and t.op not in earlier]
        missing += [c.name for c in waited_for(op, fed) if c not in earlier]
        if missing or op in earlier:
            raise AssertionError(f"prune: {op.name} comes twice or before its inputs {missing}")
        earlier.add(op)
