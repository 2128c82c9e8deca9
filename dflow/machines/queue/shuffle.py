"""RandomShuffleQueue: every element that leaves is drawn uniformly from all that are stored.

While the queue is open, `min_after_dequeue` elements stay in it, so that it can always draw from that many.

Seeds: two queues with equal seeds and the same sequence of calls give the same elements in the same order.  The sizes
of the dequeues do not matter: `dequeue_many(n)` gives the same elements as n calls of `dequeue` in its place, if it
does not have to wait.  (If it has to, it draws when it is served, from all that is stored by then; each single dequeue
would draw when its own element comes.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.machines.queue.queue import Queue
from dflow.machines.queue.store import FIRST_ROWS, Array, Batch, Element, Store, VariableStore, element_sizes, more_rows
from dflow.specs import QueueSpec

_DRAWN = 1 << 12  # random numbers that are made at once
_STEPS = np.arange(_DRAWN)
_SMALL_ROW = 1 << 12  # bytes of a row; up to this size, rows are written while Python's lock is held
_SMALL = 1 << 16  # bytes of a batch; up to this size, reading is faster while the lock is held, with two copies
_BACKWARDS = _STEPS[::-1].copy()


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
    sizes = element_sizes(spec)
    if sizes is None:
        store: Store = VariableStore(BagStore([np.dtype(object)], [()], capacity, spec.seed))
    else:
        store = BagStore([dtype.numpy_dtype for dtype in spec.dtypes], sizes, capacity, spec.seed)
    return Queue(spec, store, reserve=reserve)


class BagStore:
    """Elements of equal shapes in no order: an array per component, whose rows are taken or free.

    To draw an element is to try rows at random until one is taken.  So a batch is drawn with a few calls of NumPy: many
    tries at once, of which the first try for each taken row counts.  Elements are not moved to fill the gaps; the next
    elements are written there, where the memory is still in the processor's cache.

    capacity: the number of rows at which doubling stops, as long as that is enough; negative: no limit.
    seed: two integers; (0, 0) seeds from entropy.
    """

    ordered = False

    def __init__(
        self, dtypes: list[np.dtype[Any]], shapes: list[tuple[int, ...]], capacity: int, seed: tuple[int, int]
    ) -> None:
        self.count = 0
        self._capacity = capacity
        self._numbers = Numbers(seed)
        rows = min(FIRST_ROWS, capacity) if capacity > 0 else FIRST_ROWS
        self._columns = [np.empty((rows, *s), d) for d, s in zip(dtypes, shapes, strict=True)]
        self._set_rows(rows)
        self._top = 0  # the rows below it have been used
        self._is_taken = np.zeros(rows, bool)
        self._free = np.empty(rows, np.intp)  # a stack of the free rows below `_top`
        self._num_free = 0

    def put(self, element: Element) -> None:
        row = self._next_rows(1)[0]
        for column, array in zip(self._columns, element, strict=True):
            column[row, ...] = array

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        reused = min(stop - start, self._num_free)
        if reused:
            self._write(self._next_rows(reused), batch, start)
            start += reused
        if start < stop:
            self._write(self._next_rows(stop - start), batch, start)

    def take(self) -> Element:
        return tuple([column[0, ...].copy() for column in self._draw(1)])

    def take_many(self, n: int) -> Batch:
        parts = [self._draw(n)]
        while (missing := n - sum(len(part[0]) for part in parts)) > 0:
            parts.append(self._draw(missing))
        return parts[0] if len(parts) == 1 else tuple([np.concatenate(part) for part in zip(*parts, strict=True)])

    def value_of(self, taken: Batch) -> Batch:
        return taken

    def give_back(self, element: Element) -> None:
        self.put(element)

    def give_back_many(self, taken: Batch) -> None:
        self.put_many(taken, 0, len(taken[0]))

    def clear(self) -> None:
        self.count = self._top = self._num_free = 0
        self._is_taken[:] = False
        for column in self._objects:
            column[:] = None

    # -- elements come

    def _next_rows(self, n: int) -> Array:
        """Take n rows: free ones, which must be as many, or, if there are none, new ones."""
        if self._num_free:
            self._num_free -= n
            rows = self._free[self._num_free : self._num_free + n]
            rows = rows[::-1].copy()  # the last one that became free comes first
        else:
            if self._top + n > len(self._free):
                self._grow(self._top + n)
            rows = np.arange(self._top, self._top + n)
            self._top += n
        self._is_taken[rows] = True
        self.count += n
        return rows

    def _write(self, rows: Array, batch: Batch, start: int) -> None:
        """Write as many elements of a batch, from `start` on, to these rows."""
        for column, flat, new in zip(self._columns, self._flat, batch, strict=True):
            part = new[start : start + len(rows)]
            if flat is None:
                column[rows] = part
            else:
                flat[rows] = np.ascontiguousarray(part).reshape(len(rows), -1).view(flat.dtype)[:, 0]

    def _grow(self, needed: int) -> None:
        rows = more_rows(len(self._free), needed, self._capacity)
        columns = [np.empty((rows, *column.shape[1:]), column.dtype) for column in self._columns]
        for larger, column in zip(columns, self._columns, strict=True):
            larger[: self._top] = column[: self._top]
        self._columns = columns
        self._set_rows(rows)
        self._is_taken = np.concatenate((self._is_taken, np.zeros(rows - len(self._is_taken), bool)))
        self._free = np.concatenate((self._free, np.empty(rows - len(self._free), np.intp)))

    def _set_rows(self, rows: int) -> None:
        """Set the attributes that follow from the columns, which have `rows` rows now."""
        self._objects = [column for column in self._columns if column.dtype == object]
        self._flat = [_flat(column) for column in self._columns]
        self._tried = np.empty(rows, np.intp)  # the first try that hit a row; undefined for rows that no try hit

    # -- elements leave

    def _draw(self, n: int) -> Batch:
        """Take up to n elements, at least one if there are as many as n."""
        if 4 * self.count <= self._top and self._top > FIRST_ROWS:
            self._close_up()
        # The rows are closed up at the same points for one draw of n elements and n draws of one.
        most = n if self._top <= FIRST_ROWS else min(n, self.count - self._top // 4)
        rows = _STEPS[:0]
        while most and not len(rows):
            rows = self._try(most)
        batch = tuple([_read(column, flat, rows) for column, flat in zip(self._columns, self._flat, strict=True)])
        for column in self._objects:
            column[rows] = None
        self._is_taken[rows] = False
        self._free[self._num_free : self._num_free + len(rows)] = rows
        self._num_free += len(rows)
        self.count -= len(rows)
        return batch

    def _try(self, most: int) -> Array:
        """The taken rows that the next tries hit: `most` of them, or fewer."""
        numbers = self._numbers.ahead(most * self._top // self.count + most // 2 + 8)
        rows = (numbers * self._top).astype(np.intp)
        # NumPy assigns repeated indices in their order in memory: from behind, so that the first try of a row stays.
        self._tried[rows[::-1].copy()] = _BACKWARDS[-len(rows) :]
        hits = self._tried[rows] == _STEPS[: len(rows)]
        hits &= self._is_taken[rows]
        places = hits.nonzero()[0]
        if len(places) < most:
            self._numbers.use(len(rows))
        else:
            places = places[:most]
            self._numbers.use(int(places[-1]) + 1)
        drawn: Array = rows[places]
        return drawn

    def _close_up(self) -> None:
        """Move all elements to the first rows, so that tries hit."""
        rows = self._is_taken[: self._top].nonzero()[0]
        for column in self._columns:
            column[: len(rows)] = column[rows]
        for column in self._objects:
            column[len(rows) : self._top] = None
        self._is_taken[: self._top] = False
        self._is_taken[: len(rows)] = True
        self._top, self._num_free = len(rows), 0


def _read(column: Array, flat: Array | None, rows: Array) -> Array:
    """A copy of these rows.  `take` releases Python's lock; the other ways do not, for few rows."""
    if column.ndim == 1:
        return column[rows]
    if flat is None or len(rows) * flat.itemsize > _SMALL:
        return column.take(rows, axis=0)
    copy = np.empty((len(rows), *column.shape[1:]), column.dtype)
    copy.reshape(-1).view(flat.dtype)[:] = flat[rows]
    return copy


def _flat(column: Array) -> Array | None:
    """The rows of a column as one item each, if they are small; None where that is not possible.

    NumPy writes them three times as fast, and keeps Python's lock if they are few: to get the lock back from a thread
    that runs on another core takes longer than to copy them.  Large rows are written without the lock.
    """
    if column.dtype == object or column.ndim == 1 or not 0 < column[:1].nbytes <= _SMALL_ROW:
        return None
    rows = column.reshape(len(column), -1)
    items: Array = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0]
    return items


class Numbers:
    """Random numbers in [0, 1), made in advance.  `ahead` shows the next ones, `use` consumes some of them."""

    def __init__(self, seed: tuple[int, int]) -> None:
        entropy = None if seed == (0, 0) else [part % 2**64 for part in seed]
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
        self._made = self._random.random(_DRAWN)
        self._at = 0

    def ahead(self, n: int) -> Array:
        """The next n numbers, or fewer; at least one."""
        if self._at == _DRAWN:
            self._made, self._at = self._random.random(_DRAWN), 0
        return self._made[self._at : self._at + n]

    def use(self, n: int) -> None:
        """Consume the next n numbers."""
        self._at += n
