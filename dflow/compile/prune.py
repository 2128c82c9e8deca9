"""Keep what the fetches need."""

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

    A fed tensor's producer is not needed for it, and a fed placeholder is not waited for: its value is there.
    """
    fetches, feeds = tuple(fetches), tuple(feeds)
    fed = set(feeds)
    waiting = [item if isinstance(item, Operation) else item.op for item in fetches if item not in fed]
    found: set[Operation] = set()
    while waiting:
        op = waiting.pop()
        if op in found:
            continue
        found.add(op)
        waiting.extend(tensor.op for tensor in op.operands if tensor not in fed)
        waiting.extend(waited_for(op, fed))
    return Needed(tuple(sorted(found, key=lambda op: op.index)), fetches, feeds)


def waited_for(op: Operation, fed: Set[Tensor]) -> list[Operation]:
    """The control inputs that an operation waits for.  A fed placeholder has nothing left to do.

    Another operation whose output is fed runs all the same, for its side effects.
    """
    return [it for it in op.control_inputs if not (it.definition.kind == "Placeholder" and it.outputs[0] in fed)]


def check_pruned(needed: Needed) -> None:
    """Every input is fed or computed earlier, and nothing is there twice."""
    fed, seen = set(needed.feeds), set[Operation]()
    for op in needed.ops:
        missing = [t.name for t in op.operands if t not in fed and t.op not in seen]
        missing += [c.name for c in waited_for(op, fed) if c not in seen]
        if missing or op in seen:
            raise AssertionError(f"prune: {op.name} comes twice or before its inputs {missing}")
        seen.add(op)
