"""PriorityQueue: the element with the smallest priority leaves first; of equal ones, the one that came first.

The priority is the first component of an element, an int64 scalar.  A dequeue_many takes no element before it can be
served; then it takes the smallest of all that are stored.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from dflow.dtypes import DType, int64, string
from dflow.errors import InvalidArgumentError
from dflow.machines.queue.queue import Queue
from dflow.machines.queue.store import Array, Batch, Element, Taken, boxed, boxed_rows, element_sizes
from dflow.specs import QueueSpec


def priority_queue(spec: QueueSpec) -> Queue:
    """An empty PriorityQueue.

    InvalidArgumentError if the first component of `spec` is no int64 scalar, or a shape is not fully defined.
    """
    dtype, shape = spec.dtypes[0], spec.component_shapes[0]
    if dtype != int64 or shape.dims != ():
        fact = f"the first component is the priority, an int64 scalar; got {dtype.name} {shape}"
        raise InvalidArgumentError(None, None, f"{spec.kind} {spec.name!r}: {fact}")
    sizes = element_sizes(spec)
    rows = VariableRows() if sizes is None else Rows(spec.dtypes, sizes)
    return Queue(spec, HeapStore(rows), gathers=False)


class Rows:
    """Elements in rows of arrays, one array per component.  A row that is free is used again."""

    def __init__(self, dtypes: Sequence[DType], sizes: Sequence[tuple[int, ...]]) -> None:
        self._free: list[int] = []
        self._columns = [np.empty((0, *s), d.numpy_dtype) for d, s in zip(dtypes, sizes, strict=True)]

    def put(self, element: Element) -> int:
        """Copy an element into a row."""
        (row,) = self._reserve(1)
        for column, array in zip(self._columns, element, strict=True):
            column[row, ...] = array
        return row

    def put_many(self, batch: Batch) -> list[int]:
        """Copy each element of a batch into a row."""
        rows = self._reserve(len(batch[0]))
        for column, array in zip(self._columns, batch, strict=True):
            column[rows] = array
        return rows

    def take(self, row: int) -> Element:
        """The element of a row, which is free then."""
        element = tuple([column[row, ...].copy() for column in self._columns])
        self.drop([row])
        return element

    def take_many(self, rows: list[int]) -> Batch:
        """The elements of some rows, which are free then."""
        batch = tuple([column[rows] for column in self._columns])
        self.drop(rows)
        return batch

    def drop(self, rows: list[int]) -> None:
        """Free some rows, and let go of the objects in them."""
        for column in self._columns:
            if column.dtype == object:
                column[rows] = None
        self._free.extend(reversed(rows))

    def _reserve(self, n: int) -> list[int]:
        """n free rows; the number of all rows is doubled if too few are free."""
        if len(self._free) < n:
            old = len(self._columns[0])
            new = max(2 * old, old + n)
            self._free.extend(range(new - 1, old - 1, -1))
            for i, column in enumerate(self._columns):
                self._columns[i] = np.empty((new, *column.shape[1:]), column.dtype)
                self._columns[i][:old] = column
        rows = self._free[: -n - 1 : -1]
        del self._free[len(self._free) - n :]
        return rows


class VariableRows(Rows):
    """For elements whose shapes may differ: each row is a Python object, an element."""

    def __init__(self) -> None:
        super().__init__([string], [()])

    def put(self, element: Element) -> int:
        return super().put(boxed(tuple([array.copy() for array in element])))

    def put_many(self, batch: Batch) -> list[int]:
        return super().put_many((boxed_rows(batch),))

    def take(self, row: int) -> Element:
        element: Element = super().take(row)[0].item()
        return element


class _Ranked(tuple[Array, ...]):
    """An element with its rank, which gives it its old place if it is returned."""

    rank: int


class HeapStore:
    """A heap of (priority, rank, row).  The rank counts the elements that came: it keeps equal priorities in order.

    Why the heap is sorted at times: a sorted list is a heap, and sorting is faster than many steps of a heap.
    """

    ordered = False  # returned elements get their place by their rank

    def __init__(self, rows: Rows) -> None:
        self.count = 0
        self._rows = rows
        self._heap: list[tuple[int, int, int]] = []
        self._rank = 0

    def put(self, element: Element) -> None:
        self._put(element, self._rank)
        self._rank += 1

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        n = stop - start
        self._put_many(tuple([column[start:stop] for column in batch]), range(self._rank, self._rank + n))
        self._rank += n

    def take(self) -> Element:
        _, rank, row = heapq.heappop(self._heap)
        self.count -= 1
        element = _Ranked(self._rows.take(row))
        element.rank = rank
        return element

    def take_many(self, n: int) -> Taken:
        """The ranks, and then the components."""
        if _is_much(n, self.count):
            self._heap.sort()
            first, self._heap = self._heap[:n], self._heap[n:]
        else:
            first = [heapq.heappop(self._heap) for _ in range(n)]
        self.count -= n
        return ([rank for _, rank, _ in first], *self._rows.take_many([row for _, _, row in first]))

    def value_of(self, taken: Taken) -> Batch:
        return taken[1:]

    def give_back(self, element: Element) -> None:
        assert isinstance(element, _Ranked)
        self._put(element, element.rank)

    def give_back_many(self, taken: Taken) -> None:
        self._put_many(taken[1:], taken[0])

    def clear(self) -> None:
        self._rows.drop([row for _, _, row in self._heap])
        self._heap.clear()
        self.count = 0

    def _put(self, element: Element, rank: int) -> None:
        heapq.heappush(self._heap, (int(element[0]), rank, self._rows.put(element)))
        self.count += 1

    def _put_many(self, batch: Batch, ranks: Sequence[int]) -> None:
        entries = zip(batch[0].tolist(), ranks, self._rows.put_many(batch), strict=True)
        self.count += len(ranks)
        if _is_much(len(ranks), self.count):
            self._heap.extend(entries)
            self._heap.sort()
        else:
            for entry in entries:
                heapq.heappush(self._heap, entry)


def _is_much(n: int, count: int) -> bool:
    """Whether n of `count` elements are so many that sorting all is faster than n steps of a heap."""
    return 8 * n > count
