"""The stores of a queue that keep elements in their order: ring buffers.

Why rings: an element of fully defined shapes costs no Python object, and a batch goes in and out as a copy of one or
two slices.  Rings start small and double as they fill, so a large capacity costs nothing until it is used.

An *element* is one array per component; a *batch* is the same with a first axis over elements.
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

FIRST_ROWS = 16  # elements that a store has room for at first


class Store(Protocol):
    """A store, as the algorithm of queues uses it.  It copies elements that come; those that leave are not its own."""

    ordered: bool  # whether elements leave in the order in which they came

    @property
    def count(self) -> int:
        """Elements that are stored."""

    def put(self, element: Element) -> None:
        """Store an element, after the others."""

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        """Store rows `start` to `stop` of a batch, after the others."""

    def take(self) -> Element:
        """Remove the next element; there must be one."""

    def take_many(self, n: int) -> Taken:
        """Remove the next n elements, in the store's own form; there must be as many."""

    def value_of(self, taken: Taken) -> Batch:
        """The batch for the receiver, from the result of `take_many`."""

    def give_back(self, element: Element) -> None:
        """Store an element from `take` again, before the others."""

    def give_back_many(self, taken: Taken) -> None:
        """Store elements from `take_many` again, before the others and in their old order."""

    def clear(self) -> None:
        """Drop everything."""


def make_store(spec: QueueSpec) -> Store:
    """The store for elements of `spec`, in order.

    InvalidArgumentError if shapes are given but not fully defined.
    """
    sizes = element_sizes(spec)
    if sizes is None:
        return VariableStore(RingStore([np.dtype(object)], [()], spec.capacity))
    return RingStore([dtype.numpy_dtype for dtype in spec.dtypes], sizes, spec.capacity)


def element_sizes(spec: QueueSpec) -> list[tuple[int, ...]] | None:
    """The shape of each component; None if `spec` has no shapes.

    InvalidArgumentError if it has shapes that are not fully defined.
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

    capacity: the number of rows at which doubling stops, as long as that is enough; negative: no limit.
    """

    ordered = True

    def __init__(self, dtypes: list[np.dtype[Any]], shapes: list[tuple[int, ...]], capacity: int) -> None:
        self.count = 0
        self._capacity = capacity
        self._head = 0  # the row of the first element
        self._rows = min(FIRST_ROWS, capacity) if capacity > 0 else FIRST_ROWS
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
        row = self._head
        element = tuple([column[row, ...].copy() for column in self._columns])
        for column in self._objects:
            column[row] = None
        self.count -= 1
        self._head = row + 1 if row + 1 < self._rows else 0
        return element

    def take_many(self, n: int) -> Batch:
        batch = tuple([self._read(column, n) for column in self._columns])
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
        straight = self._rows - row  # the number of rows before the end of the ring
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
        rows = more_rows(self._rows, needed, self._capacity)
        grown = []
        for column in self._columns:
            larger = np.empty((rows, *column.shape[1:]), column.dtype)
            larger[: self.count] = self._read(column, self.count)
            grown.append(larger)
        self._columns, self._rows, self._head = grown, rows, 0
        self._objects = [column for column in grown if column.dtype == object]


def more_rows(rows: int, needed: int, capacity: int) -> int:
    """At least `needed` rows: doubled, but beyond the capacity only if that is not enough.

    (A waiting dequeue_many may ask for more elements than the capacity.)
    """
    while rows < needed:
        rows *= 2
    return min(rows, capacity) if needed <= capacity else rows


class VariableStore:
    """For elements whose shapes may differ: a store of Python objects, each of them one element."""

    def __init__(self, boxes: Store) -> None:
        self._boxes = boxes
        self.ordered = boxes.ordered
        self.clear = boxes.clear

    @property
    def count(self) -> int:
        return self._boxes.count

    def put(self, element: Element) -> None:
        self._boxes.put(boxed(tuple([array.copy() for array in element])))

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        self._boxes.put_many((boxed_rows(tuple([column[start:stop] for column in batch])),), 0, stop - start)

    def take(self) -> Element:
        element: Element = self._boxes.take()[0].item()
        return element

    def give_back(self, element: Element) -> None:
        self._boxes.give_back(boxed(element))

    def take_many(self, n: int) -> Taken:
        return self._boxes.take_many(n)

    def value_of(self, taken: Taken) -> Batch:
        """Not possible: a batch would need a shape."""
        raise NotImplementedError

    def give_back_many(self, taken: Taken) -> None:
        self._boxes.give_back_many(taken)


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
