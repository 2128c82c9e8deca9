"""The state of a dense table: entries in buckets, of which some are free and some had an entry that was removed.

Its buckets are not those of TensorFlow, which follow from a hash of each key, but their number and their contents are.
Source: MutableDenseHashTable of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.ops.lookup.table_state import Array, Table, invalid, shown
from dflow.specs import TableSpec

__all__ = ["DenseTable"]


class DenseTable(Table):
    """A table with two keys that stand for no entry: that of a free bucket, and that of a removed entry."""

    def __init__(self, spec: TableSpec) -> None:
        self._empty = _key(spec, spec.empty_key)
        self._deleted = _key(spec, spec.deleted_key)
        _check(spec)
        self._buckets = spec.num_buckets
        super().__init__(spec)

    def _clear(self) -> None:
        super()._clear()
        self._left: list[int] = []  # the rows whose entry was removed, and whose bucket still says so

    def insert(self, keys: Array, values: Array) -> None:
        with self.lock:
            self.check_keys(keys)
            self._check_values(keys, values)
            self._make_room(len(self._rows) + (len(keys) if keys.ndim else 1))
            self._put(keys, values)

    def replace(self, keys: Array, values: Array) -> None:
        """Take all buckets of an export, free ones and those of removed entries too."""
        with self.lock:
            rows = keys.reshape(-1, *self.spec.key_shape.known)
            free, gone = self._is(rows, self._empty), self._is(rows, self._deleted)
            self._clear()
            self._buckets = max(len(rows), 1)
            self._put(rows[~(free | gone)], values.reshape(-1, *self.spec.value_shape.known)[~(free | gone)])

    def export(self) -> tuple[Array, Array]:
        with self.lock:
            rows = np.fromiter(self._rows.values(), np.int64, len(self._rows))
            left = np.array(self._left[: self._buckets - len(rows)], np.int64)
            keys = np.empty((self._buckets, *self._keys.shape[1:]), self._keys.dtype)
            values = np.full((self._buckets, *self._values.shape[1:]), self.spec.value_dtype.zero, self._values.dtype)
            used = len(rows) + len(left)
            keys[: len(rows)], keys[len(rows) : used], keys[used:] = self._keys[rows], self._deleted, self._empty
            values[: len(rows)], values[len(rows) : used] = self._values[rows], self._values[left]
            return keys, values

    def check_keys(self, keys: Array) -> None:
        inner = self.spec.key_shape.known
        count = keys.shape[0] if keys.ndim else 1
        if keys.size != count * (self.spec.key_shape.num_elements() or 0):
            raise invalid(f"Expected key shape {shown((count, *inner))} got {shown(keys.shape)}")
        rows = keys.reshape(count, *inner)
        for name, key in (("empty_key", self._empty), ("deleted_key", self._deleted)):
            if self._is(rows, key).any():
                raise invalid(f"Using the {name} as a table key is not allowed")

    def _is(self, rows: Array, key: Array) -> Array:
        same = rows == key
        found: Array = same.reshape(len(rows), -1).all(axis=1) if same.ndim > 1 else same
        return found

    def _make_room(self, entries: int) -> None:
        """Double the buckets until the entries fill no more than a part of them; then no bucket says 'removed'."""
        before = self._buckets
        while entries > self._buckets * self.spec.max_load_factor:
            self._buckets *= 2
        if self._buckets != before:
            self._free += self._left
            self._left = []

    def _removed(self, row: int) -> None:
        self._left.append(row)

    def _row(self, name: Any) -> int:
        if name not in self._rows and not self._free and len(self._rows) + len(self._left) >= self._buckets:
            self._free.append(self._left.pop())
        if name not in self._rows and not self._free:
            self._free.append(len(self._rows) + len(self._left))  # the next row that was never used
        return super()._row(name)


def _key(spec: TableSpec, flat: tuple[object, ...]) -> Array:
    shape = spec.key_shape.known if len(flat) == spec.key_shape.num_elements() else (len(flat),)
    result = np.empty(len(flat), spec.key_dtype.numpy_dtype)
    result[:] = flat
    return result.reshape(shape)


def _check(spec: TableSpec) -> None:
    """InvalidArgumentError for a table that cannot be made."""
    if spec.num_buckets < 1 or spec.num_buckets & (spec.num_buckets - 1):
        raise invalid(f"Number of buckets must be at least 4 and a power of 2, got: {spec.num_buckets}")
    if spec.deleted_shape != spec.key_shape:
        raise invalid(
            "Empty and deleted keys must have same shape, got shapes: "
            f"{shown(spec.key_shape)} and {shown(spec.deleted_shape)}"
        )
    if spec.empty_key == spec.deleted_key:
        raise invalid("Empty and deleted keys cannot be equal")
