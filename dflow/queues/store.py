"""Where a queue keeps its elements: ring buffers, which take from the front or draw from anywhere.

Why rings: an element of fully defined shapes costs no Python object, and a batch goes in and out as a copy of one or
two slices.  Rings start small and double as they fill, so a large capacity costs nothing until it is used.

Two words: an *element* is one array per component; a *batch* is the same with a first axis over elements.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dflow.errors import InvalidArgumentError
from dflow.specs import QueueSpec

Array = NDArray[Any]
Element = tuple[Array, ...]
Batch = tuple[Array, ...]
Taken = tuple[Any, ...]  # a batch in the form that suits its store

_FIRST_ROWS = 16  # what a ring has room for at first


class Store(Protocol):
    """What the algorithm needs of a store.  What goes in is copied; what comes out belongs to the receiver."""

    count: int  # elements that are stored
    ordered: bool  # do elements leave in the order in which they came?

    def put(self, element: Element) -> None:
        """Store an element, after the others."""

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        """Store rows `start` to `stop` of a batch, after the others."""

    def take(self) -> Element:
        """Remove the next element; there must be one."""

    def take_many(self, n: int) -> Taken:
        """Remove the next n elements, in the store's own form; there must be as many."""

    def value_of(self, taken: Taken) -> Batch:
        """What `take_many` gave, as the receiver of a batch sees it."""

    def give_back(self, element: Element) -> None:
        """Store an element that `take` gave, before the others."""

    def give_back_many(self, taken: Taken) -> None:
        """Store what `take_many` gave, before the others and in the order it had."""

    def clear(self) -> None:
        """Drop everything."""


class Draws(Protocol):
    """Chooses the places that elements leave from, counted from the front of a ring."""

    def one(self, count: int) -> int:
        """A place below `count`.  The element at the front then fills it."""

    def many(self, n: int, count: int) -> tuple[Array, Array, Array]:
        """(drawn, holes, fillers): n places below `count`; then element fillers[k] fills place holes[k] >= n."""


def make_store(spec: QueueSpec, draws: Draws | None = None) -> Store:
    """The store for elements of `spec`: in order, or as `draws` chooses.

    InvalidArgumentError if shapes are given but not fully defined.
    """
    sizes = element_sizes(spec)
    if sizes is None:
        return VariableStore(spec.capacity, draws)
    return RingStore([dtype.numpy_dtype for dtype in spec.dtypes], sizes, spec.capacity, draws)


def element_sizes(spec: QueueSpec) -> list[tuple[int, ...]] | None:
    """The shape of each component; None if `spec` does not say.

    InvalidArgumentError if it says, but leaves sizes open.
    """
    if spec.shapes is None:
        return None
    for shape in spec.shapes:
        if not shape.is_fully_defined():
            raise InvalidArgumentError(
                None, None, f"{spec.kind} {spec.name!r}: shapes must be fully defined, got {shape}"
            )
    return [tuple(size for size in shape.known if size is not None) for shape in spec.shapes]


class RingStore:
    """A ring buffer of one array per component, for elements of equal shapes.

    capacity: where doubling stops, as long as that is enough; negative: nowhere.
    draws: None takes from the front.
    """

    def __init__(
        self,
        dtypes: list[np.dtype[Any]],
        shapes: list[tuple[int, ...]],
        capacity: int,
        draws: Draws | None = None,
    ) -> None:
        self.count = 0
        self.ordered = draws is None
        self._draws = draws
        self._capacity = capacity
        self._head = 0  # the row of the first element
        self._rows = min(_FIRST_ROWS, capacity) if capacity > 0 else _FIRST_ROWS
        self._columns = [np.empty((self._rows, *s), d) for d, s in zip(dtypes, shapes, strict=True)]
        self._objects = [column for column in self._columns if column.dtype == object]

    def put(self, element: Element) -> None:
        if self.count == self._rows:
            self._grow(self.count + 1)
        self._write_one(self.count, element)
        self.count += 1

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        n = stop - start
        if self.count + n > self._rows:
            self._grow(self.count + n)
        self._write(self.count, tuple(column[start:stop] for column in batch))
        self.count += n

    def take(self) -> Element:
        front = self._head
        row = front if self._draws is None else (front + self._draws.one(self.count)) % self._rows
        element = tuple([column[row, ...].copy() for column in self._columns])
        if row != front:
            for column in self._columns:
                column[row] = column[front]
        for column in self._objects:
            column[front] = None
        self.count -= 1
        self._head = front + 1 if front + 1 < self._rows else 0
        return element

    def take_many(self, n: int) -> Batch:
        if self._draws is None:
            batch = tuple([self._read(column, n) for column in self._columns])
        else:
            drawn, holes, fillers = ((self._head + p) % self._rows for p in self._draws.many(n, self.count))
            batch = tuple([column[drawn] for column in self._columns])
            for column in self._columns:
                column[holes] = column[fillers]
        self._drop(n)
        return batch

    def value_of(self, taken: Batch) -> Batch:
        return taken

    def give_back(self, element: Element) -> None:
        self._step_back(1)
        self._write_one(0, element)

    def give_back_many(self, taken: Batch) -> None:
        self._step_back(len(taken[0]))
        self._write(0, taken)

    def clear(self) -> None:
        self._drop(self.count)

    def _write_one(self, place: int, element: Element) -> None:
        row = (self._head + place) % self._rows
        for column, array in zip(self._columns, element, strict=True):
            column[row, ...] = array

    def _write(self, place: int, batch: Batch) -> None:
        """Write a batch to `place` and after; there must be rows for it."""
        row = (self._head + place) % self._rows
        straight = self._rows - row  # so many fit before the ring begins anew
        for column, array in zip(self._columns, batch, strict=True):
            column[row : row + len(array)] = array[:straight]
            if len(array) > straight:
                column[: len(array) - straight] = array[straight:]

    def _read(self, column: Array, n: int) -> Array:
        """A copy of the first n elements of a column."""
        straight = self._rows - self._head
        if n <= straight:
            return column[self._head : self._head + n].copy()
        return np.concatenate((column[self._head :], column[: n - straight]))

    def _drop(self, n: int) -> None:
        """Forget the first n elements, and let go of the objects among them."""
        for column in self._objects:
            column[self._head : self._head + n] = None
            column[: max(0, self._head + n - self._rows)] = None
        self.count -= n
        self._head = (self._head + n) % self._rows

    def _step_back(self, n: int) -> None:
        """Make n places at the front."""
        if self.count + n > self._rows:
            self._grow(self.count + n)
        self._head = (self._head - n) % self._rows
        self.count += n

    def _grow(self, needed: int) -> None:
        """Move to arrays of at least `needed` rows: double, but pass the capacity only if that is not enough.

        (A waiting dequeue_many may ask for more elements than the capacity.)
        """
        rows = self._rows
        while rows < needed:
            rows *= 2
        if needed <= self._capacity:
            rows = min(rows, self._capacity)
        grown = []
        for column in self._columns:
            larger = np.empty((rows, *column.shape[1:]), column.dtype)
            larger[: self.count] = self._read(column, self.count)
            grown.append(larger)
        self._columns, self._rows, self._head = grown, rows, 0
        self._objects = [column for column in grown if column.dtype == object]


class VariableStore(RingStore):
    """For elements whose shapes may differ: a ring of Python objects, each of them one element."""

    def __init__(self, capacity: int, draws: Draws | None = None) -> None:
        super().__init__([np.dtype(object)], [()], capacity, draws)

    def put(self, element: Element) -> None:
        super().put(boxed(tuple([array.copy() for array in element])))

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        super().put_many((boxed_rows(tuple([column[start:stop] for column in batch])),), 0, stop - start)

    def take(self) -> Element:
        element: Element = super().take()[0].item()
        return element

    def give_back(self, element: Element) -> None:
        super().give_back(boxed(element))


def boxed(element: Element) -> tuple[Array]:
    """An element as the only component of another one."""
    box = np.empty((), object)
    box[()] = element
    return (box,)


def boxed_rows(batch: Batch) -> Array:
    """A copy of each element of a batch, as one Python object."""
    boxes = np.empty(len(batch[0]), object)
    for i in range(len(boxes)):
        boxes[i] = tuple([column[i, ...].copy() for column in batch])
    return boxes
