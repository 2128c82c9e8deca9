"""String vectors over one buffer, whose elements become Python objects only when they are accessed.

A reader that has many records in its buffer hands out a `Batch`: `Records`, which are ranges of one `Block`, under
`Keys`, which are stored as numbers.  A decoder that knows `Records` works on the bytes of the whole block at once, and
may store its columns there (`Block.memo`), so that the next records of the block are only cut out of them.  To all
other code they are object arrays: NumPy's functions, methods, operators and indices make the objects.

Why not a subclass of NumPy's array: C code reads an array's memory without asking, and the objects are not there.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, overload

import array_api_compat
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.lib.stride_tricks import as_strided, sliding_window_view

Array = np.ndarray[Any, Any]

_MEMOS = 4  # results that a block keeps: decoders that share a reader


class Strings(NDArrayOperatorsMixin):
    """A vector of byte strings that does not change.  Its pickle holds its own part of the buffer only."""

    __slots__ = ()
    dtype = np.dtype(object)
    ndim = 1

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def rows(self, start: int, stop: int) -> Self:
        """Elements `start` to `stop`, where 0 <= start <= stop <= len(self), over the same buffer."""

    @abstractmethod
    def tolist(self) -> list[bytes]:
        """All elements, as new objects."""

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    @property
    def size(self) -> int:
        return len(self)

    def copy(self) -> Self:
        """Itself: there is nothing to change."""
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                return self.rows(start, max(start, stop))
        elif isinstance(index, int):
            place = range(len(self))[index]
            return self.rows(place, place + 1).tolist()[0]
        return np.asarray(self)[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("this array makes its objects on access, which is not possible without a copy")
        array = np.empty(len(self), object)
        array[:] = self.tolist()
        return array if dtype is None else array.astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [np.asarray(value) if isinstance(value, Strings) else value for value in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return array_api_compat.array_namespace(np.empty(0))

    def __getattr__(self, name: str) -> Any:
        """Any other attribute of an array.  Special methods and private names are left out: they are protocols."""
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.asarray(self), name)


class Block:
    """Bytes in memory with records in them: record i is `data[starts[i]:ends[i]]`; both rise.

    is_text: nothing but one line end, `\\n` or `\\r\\n`, lies between two records, and none lies in a record.
    """

    __slots__ = ("_lock", "_memos", "data", "ends", "is_text", "starts")

    def __init__(self, data: bytes, starts: Array, ends: Array, is_text: bool = False) -> None:
        self.data = data
        self.starts = starts
        self.ends = ends
        self.is_text = is_text
        self._lock = threading.Lock()
        self._memos: dict[int, tuple[object, Any]] = {}

    def __len__(self) -> int:
        return len(self.starts)

    def memo(self, key: object, make: Callable[[Block], Any]) -> Any:
        """The result of `make` for this block, from the first call with this very object as the key.

        Threads that call at the same time wait for one of them; the oldest of too many results is dropped.
        """
        with self._lock:
            if id(key) not in self._memos:
                result = make(self)
                if len(self._memos) == _MEMOS:
                    del self._memos[next(iter(self._memos))]
                self._memos[id(key)] = key, result  # the key is kept, so that its id stays its own
            return self._memos[id(key)][1]


class Records(Strings):
    """Records `start` to `stop` of a block."""

    __slots__ = ("block", "start", "stop")

    def __init__(self, block: Block, start: int = 0, stop: int | None = None) -> None:
        self.block = block
        self.start = start
        self.stop = len(block) if stop is None else stop

    def __len__(self) -> int:
        return self.stop - self.start

    def rows(self, start: int, stop: int) -> Records:
        return Records(self.block, self.start + start, self.start + stop)

    def tolist(self) -> list[bytes]:
        data = self.block.data
        return [data[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    @property
    def starts(self) -> Array:
        """The place where each record begins in the block's data."""
        return self.block.starts[self.start : self.stop]

    @property
    def ends(self) -> Array:
        return self.block.ends[self.start : self.stop]

    def alone(self) -> Records:
        """The same records over a block that holds nothing else."""
        starts, ends = self.starts, self.ends
        first, last = (int(starts[0]), int(ends[-1])) if len(self) else (0, 0)
        return Records(Block(self.block.data[first:last], starts - first, ends - first, self.block.is_text))

    def __reduce__(self) -> Any:
        block = self.alone().block
        return _unpickled, (block.data, block.starts, block.ends, block.is_text)


def _unpickled(*block: Any) -> Records:
    return Records(Block(*block))


class Matrix:
    """Records of one length, as the rows of a matrix of which only the parts that are asked for are made."""

    def __init__(self, data: Array, starts: Array, length: int) -> None:
        self._n = len(starts)
        self._index: Any
        steps = np.diff(starts)
        if (steps == steps[:1]).all():  # they lie at equal distances: any part is a view
            step = int(steps[0]) if len(steps) else length
            self._matrix = as_strided(data[starts[0] :], (len(starts), length), (step, 1), writeable=False)
            self._index = slice(None)
        else:
            self._matrix = sliding_window_view(data, length)
            self._index = starts

    def __len__(self) -> int:
        return self._n

    def part(self, start: int, end: int) -> Array:
        """The bytes from `start` to `end` of each."""
        columns: Array = self._matrix[self._index, start:end]
        return columns


_NOWHERE = np.empty(0, np.int64)
NO_RECORDS = Records(Block(b"", _NOWHERE, _NOWHERE))


class Keys(Strings):
    """The keys `<file>:<number>` of the records of a file.  numbers: integers, in a range or an array."""

    __slots__ = ("_file", "_numbers")

    def __init__(self, file: bytes, numbers: range | Array) -> None:
        self._file = file
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def rows(self, start: int, stop: int) -> Keys:
        return Keys(self._file, self._numbers[start:stop])

    def tolist(self) -> list[bytes]:
        numbers = self._numbers if isinstance(self._numbers, range) else self._numbers.tolist()
        return [b"%b:%d" % (self._file, number) for number in numbers]

    def __reduce__(self) -> Any:
        return Keys, (self._file, self._numbers)


class Batch(Sequence[tuple[bytes, bytes]]):
    """Records that follow each other in a file, each with its key.

    columns: all keys, all records.
    """

    __slots__ = ("columns",)

    def __init__(self, keys: Keys, records: Records) -> None:
        self.columns = (keys, records)

    @classmethod
    def of(cls, file: bytes, numbers: range | Array, block: Block, start: int, stop: int) -> Batch:
        """Records `start` to `stop` of a block, which have these numbers in their file."""
        return cls(Keys(file, numbers), Records(block, start, stop))

    def __len__(self) -> int:
        return len(self.columns[1])

    @overload
    def __getitem__(self, index: int) -> tuple[bytes, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> Batch: ...
    def __getitem__(self, index: Any) -> Any:
        keys, records = self.columns
        if isinstance(index, slice):
            return Batch(keys[index], records[index])
        return keys[index], records[index]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return zip(*self.columns, strict=True)
