"""What the writer of a program expects of a queue: how many elements it has, and whether it is closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.fuzz_graphs.graph import State


@dataclass
class Queue:
    """count: elements stored.  used: priorities that elements have.  spoiled: nothing certain can be said of it."""

    name: str
    kind: str
    dtypes: list[str]
    shapes: list[tuple[int | None, ...]] | None
    names: list[str] | None
    capacity: int
    reserve: int = 0
    count: int = 0
    closed: bool = False
    spoiled: bool = False
    used: set[int] = field(default_factory=set)

    @property
    def is_random(self) -> bool:
        return self.kind == "RandomShuffleQueue"

    @property
    def room(self) -> int:
        return 10**9 if self.capacity < 0 else self.capacity - self.count

    def look_state(self) -> State:
        return "fails" if self.spoiled else "fine"

    def put_state(self, n: int) -> State:
        if self.spoiled or (self.closed and n):
            return "fails"
        return "waits" if n > self.room else "fine"

    def put(self, n: int) -> None:
        if not self.closed:
            self.count += min(n, max(self.room, 0))

    def take_state(self, n: int, many: bool, up_to: bool = False) -> State:
        if self.spoiled or (many and self.shapes is None):
            return "fails"
        there = self.count - (0 if self.closed else self.reserve)
        if there >= n or n == 0:
            return "fine"
        if not self.closed:
            return "waits"
        return "fine" if up_to and there > 0 else "fails"

    def take(self, n: int, many: bool, up_to: bool = False) -> None:
        state = self.take_state(n, many, up_to)
        if state == "fine":
            self.count -= min(n, self.count)
        elif state == "waits" and n > 1 and self.count > self.reserve:
            self.spoiled = True  # TensorFlow loses what such a dequeue had taken

    def close_state(self, cancel: bool) -> State:
        return "fails" if self.spoiled or (self.closed and not cancel) else "fine"

    def close(self) -> None:
        self.closed = True
