"""PaddingFIFOQueue: a FIFO queue whose shapes may leave sizes open.

An element keeps its own sizes.  A batch has, in each open dimension, the largest size among its own elements; smaller
ones are filled up at the end with the zero of their dtype: 0, False or the empty string.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import DType
from dflow.errors import InvalidArgumentError
from dflow.machines.queue.queue import Queue
from dflow.machines.queue.store import Array, Batch, Element, Store, Taken, make_store
from dflow.shapes import TensorShape
from dflow.specs import QueueSpec


def padding_fifo_queue(spec: QueueSpec) -> Queue:
    """An empty PaddingFIFOQueue.  InvalidArgumentError if `spec` has no shapes, or one without a rank."""
    if spec.shapes is None or any(shape.dims is None for shape in spec.shapes):
        raise InvalidArgumentError(None, None, f"{spec.kind} {spec.name!r}: all shapes must have a defined rank")
    whole = all(shape.is_fully_defined() for shape in spec.shapes)
    store: Store = make_store(spec) if whole else PieceStore(spec.dtypes, spec.shapes)
    return Queue(spec, store)


class PieceStore:
    """Elements in the pieces in which they came: the elements of one enqueue are one piece, an array per component.

    Why pieces: the elements of a piece have equal sizes, so a batch is made by one copy for each piece of it, and not
    for each element.  And elements of very different sizes need no more memory than their own.
    """

    ordered = True

    def __init__(self, dtypes: Sequence[DType], shapes: Sequence[TensorShape]) -> None:
        self.count = 0
        self._components = list(zip(dtypes, shapes, strict=True))
        self._pieces: deque[Batch] = deque()
        self._gone = 0  # rows of the first piece that have left

    def put(self, element: Element) -> None:
        self._pieces.append(tuple([array[np.newaxis].copy() for array in element]))
        self.count += 1

    def put_many(self, batch: Batch, start: int, stop: int) -> None:
        self._pieces.append(tuple([column[start:stop].copy() for column in batch]))
        self.count += stop - start

    def take(self) -> Element:
        (piece,) = self.take_many(1)
        return tuple([column[0, ...] for column in piece])

    def take_many(self, n: int) -> Taken:
        """The pieces that hold the next n elements, the last one cut to size."""
        self.count -= n
        pieces = []
        while n:
            piece, start = self._pieces[0], self._gone
            rows = len(piece[0])
            stop = min(rows, start + n)
            # A part is copied, so that it does not keep the whole in memory.
            pieces.append(piece if stop - start == rows else tuple([column[start:stop].copy() for column in piece]))
            n -= stop - start
            self._gone = stop
            if stop == rows:
                self._pieces.popleft()
                self._gone = 0
        return tuple(pieces)

    def value_of(self, pieces: Taken) -> Batch:
        return tuple(
            [_joined([piece[i] for piece in pieces], dtype, shape) for i, (dtype, shape) in enumerate(self._components)]
        )

    def give_back(self, element: Element) -> None:
        self.give_back_many((tuple([array[np.newaxis] for array in element]),))

    def give_back_many(self, pieces: Taken) -> None:
        if self._gone:
            self._pieces[0] = tuple([column[self._gone :].copy() for column in self._pieces[0]])
            self._gone = 0
        self._pieces.extendleft(reversed(pieces))
        self.count += sum(len(piece[0]) for piece in pieces)

    def clear(self) -> None:
        self._pieces.clear()
        self.count = self._gone = 0


def _joined(columns: list[Array], dtype: DType, shape: TensorShape) -> Array:
    """One component of a batch: arrays one after the other, padded to the largest of them."""
    if len(columns) == 1:
        return columns[0]
    sizes = {column.shape[1:] for column in columns}
    if len(sizes) == 1:
        return np.concatenate(columns)
    largest = [max(of_one) for of_one in zip(*sizes, strict=True)] or [size or 0 for size in shape.known]
    joined: np.ndarray[Any, Any] = np.full((sum(map(len, columns)), *largest), dtype.zero, dtype.numpy_dtype)
    row = 0
    for column in columns:
        joined[(slice(row, row + len(column)), *map(slice, column.shape[1:]))] = column
        row += len(column)
    return joined
