"""RandomShuffleQueue: every element that leaves is drawn uniformly from all that are stored.

While the queue is open, `min_after_dequeue` elements stay behind, so that there is always something to draw from.

What equal seeds promise: two queues with equal seeds that see the same sequence of calls give the same elements in the
same order.  And it does not matter how dequeues are cut: `dequeue_many(n)` gives what n calls of `dequeue` would give
in its place, if it does not have to wait.  (If it has to, it draws when it is served, from all that is stored by then;
each single dequeue would draw when its own element comes.)
"""

from __future__ import annotations

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.queues.queue import Queue
from dflow.queues.store import Array, make_store
from dflow.specs import QueueSpec


def random_shuffle_queue(spec: QueueSpec) -> Queue:
    """An empty RandomShuffleQueue.

    InvalidArgumentError if a shape of `spec` is not fully defined, or `min_after_dequeue` is negative or leaves no room
    in the capacity.
    """
    reserve, capacity = spec.min_after_dequeue, spec.capacity
    if reserve < 0:
        raise InvalidArgumentError(None, None, f"min_after_dequeue {reserve} must be >= 0")
    if 0 <= capacity <= reserve:
        raise InvalidArgumentError(None, None, f"min_after_dequeue {reserve} must be < capacity {capacity}")
    return Queue(spec, make_store(spec, RandomDraws(spec.seed)), reserve=reserve)


class RandomDraws:
    """Draws places of a store uniformly and without replacement.

    seed: two integers; (0, 0) seeds from entropy.
    Each draw uses up one number of the generator, alone or in a batch: that is what makes batches equal single draws.
    """

    def __init__(self, seed: tuple[int, int]) -> None:
        entropy = None if seed == (0, 0) else [part % 2**64 for part in seed]
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def one(self, count: int) -> int:
        """A place below `count`."""
        return int(self._random.random() * count)

    def many(self, n: int, count: int) -> tuple[Array, Array, Array]:
        """n different places below `count`, and how to close the gaps; see `store.Draws`."""
        step = np.arange(n)
        left = count - step
        return swapped(step + (self._random.random(n) * left).astype(np.int64))


def swapped(target: Array) -> tuple[Array, Array, Array]:
    """What n swaps do to a row of places: swap i exchanges places i and `target[i]`, and i <= target[i].

    Returns (drawn, holes, fillers): drawn[i] is the element that ends in place i < n; fillers[k] is the element that
    ends in place holes[k] >= n.  All other places keep their element.

    Why not swap: a loop over n elements in Python takes three times as long for large n.  Here the swaps are followed
    backwards, all at once.  `before[i]` is the element in place i when swap i comes: i itself, or, if earlier swaps
    brought another one, what the latest of them, j, found in its own place: before[j].  Replacing `before` by
    before[before] follows these links until nothing changes.
    """
    n = len(target)
    step = np.arange(n)
    before = step.copy()
    inside = np.flatnonzero((target < n) & (target != step))
    before[target[inside]] = inside  # the latest swap wins: NumPy assigns repeated indices in order
    while not np.array_equal(before, further := before[before]):
        before = further
    # Swaps with one target follow each other in `order`, oldest first.
    order = np.argsort(target, kind="stable")
    in_order = target[order]
    again = np.flatnonzero(in_order[1:] == in_order[:-1])  # swap order[again] has the same target as the one after it
    drawn = target.copy()
    drawn[order[again + 1]] = before[order[again]]
    last = in_order >= n
    last[again] = False
    return drawn, in_order[last], before[order[last]]
