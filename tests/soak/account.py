"""What must hold after a run: each element is seen once, or left once, or was lost with something that says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.soak.pipeline import BATCH


@dataclass
class Account:
    """Where the elements of a run are.

    trained, took: what the training loop reported, and what the second client saw, in their order.
    raw, shuffled: what is left in the queues.
    enqueued: elements that ever entered `raw`.
    """

    trained: list[int] = field(default_factory=list)
    took: list[int] = field(default_factory=list)
    raw: list[int] = field(default_factory=list)
    shuffled: list[int] = field(default_factory=list)
    enqueued: int = 0

    def complaints(self, may_miss: int) -> list[str]:
        """What is wrong.  may_miss: so many elements may be gone with those who had them, or with their queues."""
        found = [*self.trained, *self.took, *self.raw, *self.shuffled]
        twice = sorted(value for value, count in Counter(found).items() if count > 1)
        said = [f"came twice: {twice}"] if twice else []
        if may_miss < EVERYTHING:
            missing = set(range(self.enqueued)) - set(found)
            if len(missing) > may_miss:
                said.append(f"{len(missing)} are missing, {may_miss} may be: {sorted(missing)[:50]}")
            strange = set(found) - set(range(self.enqueued))
            if strange:
                said.append(f"never entered the first queue: {sorted(strange)}")
        return said


# What each of them may have in hand when it dies: the present element of the mapper, the batch of the training step
# and the one whose values were on their way to its client, the element of the second client.
MAPPER, TRAINING, SECOND = 1, 2 * BATCH, 1
EVERYTHING = 10**9  # the queues themselves may be gone
