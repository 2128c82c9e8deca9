"""The ended steps of a device, in little memory: late tensors of these steps are refused."""

from __future__ import annotations

from dflow.runtime.base.ids import StepId, session_of


class EndedSteps:
    """For each owner a low-water mark, below which all steps have ended, and ended steps above it.  Needs a lock."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[int, set[int]]] = {}

    def has(self, step: StepId) -> bool:
        low_water, above = self._ended.get(step[0], (0, ()))
        return step[1] < low_water or step[1] in above

    def begin(self, step: StepId, low_water: int) -> bool:
        """Whether a step may begin: it has not ended.  If so, raise the low-water mark of its owner."""
        begins = not self.has(step)
        if begins:
            self.raise_mark(step[0], low_water)
        return begins

    def add(self, step: StepId) -> None:
        self._ended.setdefault(step[0], (0, set()))[1].add(step[1])

    def raise_mark(self, owner: str, low_water: int) -> None:
        """Raise the low-water mark of an owner: all its steps below the mark have ended."""
        old, above = self._ended.get(owner, (0, set()))
        if low_water > old:
            self._ended[owner] = (low_water, {number for number in above if number >= low_water})

    def forget_session(self, session: str) -> None:
        for owner in [owner for owner in self._ended if session_of((owner, 0)) == session]:
            del self._ended[owner]

    def __len__(self) -> int:
        """The number of entries: ended steps and owners."""
        return len(self._ended) + sum(len(above) for _, above in self._ended.values())
