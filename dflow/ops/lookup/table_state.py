"""The state behind a lookup table: its keys and values, on a CPU of its device.

Keys and values are in two arrays, and a dictionary says in which row each key is: so that many values are taken at
once, whatever their dtype and shape.
Source: the kernels of lookup tables of TensorFlow 1.15.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.errors import FailedPreconditionError, InvalidArgumentError
from dflow.registry import KernelContext
from dflow.specs import TableSpec

__all__ = ["Table", "invalid", "shown", "table_of"]

Array = np.ndarray[Any, Any]

_FIRST_ROWS = 16
_STATIC = {  # the dtypes of keys, and of the values that a table with these keys may have, if it is filled only once
    "float32": ("float32",),
    "float64": ("float64",),
    "int32": ("float64", "float32", "int32", "string"),
    "int64": ("float64", "float32", "int32", "int64", "string"),
    "string": ("bool", "float64", "float32", "int32", "int64", "string"),
}


def invalid(fact: str) -> InvalidArgumentError:
    return InvalidArgumentError(None, None, fact)


def shown(shape: Any) -> str:
    return f"[{','.join(str(size) for size in shape)}]"


class Table:
    """The entries of one table.  Its lock orders all that is done with them."""

    def __init__(self, spec: TableSpec) -> None:
        _check(spec)
        self.spec = spec
        self.lock = threading.Lock()
        self.detached = False  # it is in its container no more
        self.initialized = spec.kind != "HashTableV2"
        self._clear()

    def _clear(self) -> None:
        """Begin without entries."""
        self._rows: dict[Any, int] = {}
        self._free: list[int] = []
        self._keys = np.empty((0, *self.spec.key_shape), self.spec.key_dtype.numpy_dtype)
        self._values = np.empty((0, *self.spec.value_shape), self.spec.value_dtype.numpy_dtype)

    def abort(self, reason: str) -> None:
        """Mark it as dropped from its container: later steps use another state."""
        self.detached = True

    def meant_by(self, spec: TableSpec) -> Table:
        """This state, if it fits the table of a graph; InvalidArgumentError if it is another one of that name."""
        mine = self.spec
        for what in ("kind", "key_dtype", "value_dtype", "key_shape", "value_shape"):
            if getattr(mine, what) != getattr(spec, what):
                raise invalid(
                    f"table {spec.name!r} has another {what} than here: {getattr(mine, what)}, expected "
                    f"{getattr(spec, what)}; take another name or df.container, or drop it with df.Session.reset"
                )
        return self

    # -- entries

    def size(self) -> int:
        with self.lock:
            return len(self._rows) if self.initialized else 0

    def find(self, keys: Array, default: Array) -> Array:
        """The values of keys [..., *key_shape]: [..., *value_shape]; `default` for a key that is not there.

        FailedPreconditionError if the table was not initialized.
        """
        with self.lock:
            if not self.initialized:
                raise FailedPreconditionError(None, None, "Table not initialized.")
            self.check_keys(keys)
            leading = self._leading(keys)
            names = self._names(keys)
            rows = np.fromiter((self._rows.get(name, -1) for name in names), np.int64, len(names))
            found = np.empty((len(rows), *self.spec.value_shape), self.spec.value_dtype.numpy_dtype)
            there = rows >= 0
            found[there] = self._values[rows[there]]
            if not there.all():
                found[~there] = self._default(default)
            return found.reshape(*leading, *self.spec.value_shape)

    def initialize(self, keys: Array, values: Array) -> None:
        """Fill the table, once.  A second time with as many entries does nothing.

        FailedPreconditionError for another number of entries, and for one key with two values.
        """
        if not keys.size or not values.size:
            raise invalid(
                f"keys and values cannot be empty tensors, but received shapes: {shown(keys.shape)} and "
                f"{shown(values.shape)}"
            )
        if keys.shape != values.shape:
            raise invalid(f"keys and values must have the same size, got {shown(keys.shape)} and {shown(values.shape)}")
        with self.lock:
            if self.initialized:
                if len(keys) != len(self._rows):
                    raise FailedPreconditionError(None, None, "Table was already initialized with different data.")
                return
            self._put(keys, values)
            if len(self._rows) != len(keys):
                self._check_doubles(keys, values)
            self.initialized = True

    def _check_doubles(self, keys: Array, values: Array) -> None:
        """An error if one key came with two values; then the table stays empty."""
        rows = np.fromiter((self._rows[name] for name in self._names(keys)), np.int64, len(keys))
        different = np.flatnonzero(self._values[rows] != values)
        if len(different):
            i = different[0]
            old = self._values[rows[i]]
            self._clear()
            fact = f"HashTable has different value for same key. Key {keys[i]} has {values[i]} and trying to add value "
            raise FailedPreconditionError(None, None, f"{fact}{old}")

    def insert(self, keys: Array, values: Array) -> None:
        """Add entries, or change them; of a key that comes twice, the last value counts."""
        with self.lock:
            self.check_keys(keys)
            self._check_values(keys, values)
            self._put(keys, values)

    def remove(self, keys: Array) -> None:
        """Remove entries; keys that are not there are ignored."""
        with self.lock:
            self.check_keys(keys)
            for name in self._names(keys):
                row = self._rows.pop(name, None)
                if row is not None:
                    self._removed(row)

    def replace(self, keys: Array, values: Array) -> None:
        """Put these entries in the place of all that are there."""
        with self.lock:
            self._check_values(keys, values)
            self._clear()
            self._put(keys, values)

    def export(self) -> tuple[Array, Array]:
        """All keys [n, *key_shape] and values [n, *value_shape], in no order."""
        with self.lock:
            rows = np.fromiter(self._rows.values(), np.int64, len(self._rows))
            return self._keys[rows], self._values[rows]

    # -- rows

    def _names(self, keys: Array) -> list[Any]:
        """What stands for each key in the dictionary."""
        if not self.spec.key_shape.known:
            names: list[Any] = keys.reshape(-1).tolist()
            return names
        rows = keys.reshape(-1, *self.spec.key_shape)
        return [tuple(row.reshape(-1).tolist()) for row in rows]

    def _put(self, keys: Array, values: Array) -> None:
        names = self._names(keys)
        rows = np.fromiter((self._row(name) for name in names), np.int64, len(names))
        self._keys[rows] = keys.reshape(-1, *self.spec.key_shape)
        self._values[rows] = values.reshape(-1, *self.spec.value_shape)

    def _row(self, name: Any) -> int:
        """The row of a key, which is new if the key was not there."""
        row = self._rows.get(name)
        if row is None:
            row = self._free.pop() if self._free else len(self._rows)
            if row >= len(self._keys):
                self._grow(max(_FIRST_ROWS, 2 * row))
            self._rows[name] = row
        return row

    def _grow(self, rows: int) -> None:
        keys = np.empty((rows, *self._keys.shape[1:]), self._keys.dtype)
        values = np.empty((rows, *self._values.shape[1:]), self._values.dtype)
        keys[: len(self._keys)], values[: len(self._values)] = self._keys, self._values
        self._keys, self._values = keys, values

    def _removed(self, row: int) -> None:
        """Use a row again whose key was removed."""
        self._free.append(row)

    # -- checks

    def check_keys(self, keys: Array) -> None:
        """InvalidArgumentError for keys of another shape."""
        inner = self.spec.key_shape.known
        if inner and keys.shape[keys.ndim - len(inner) :] != inner:
            raise invalid(f"Input key shape {shown(keys.shape)} must end with the table's key shape {shown(inner)}")

    def _leading(self, keys: Array) -> tuple[int, ...]:
        return tuple(keys.shape[: keys.ndim - len(self.spec.key_shape.known)])

    def _check_values(self, keys: Array, values: Array) -> None:
        expected = (*self._leading(keys), *self.spec.value_shape.known)
        if values.shape != expected:
            raise invalid(f"Expected shape {shown(expected)} for value, got {shown(values.shape)}")

    def _default(self, default: Array) -> Array:
        if default.shape not in ((), self.spec.value_shape.known):
            raise invalid(
                f"Expected shape {shown(self.spec.value_shape)} for default value, got {shown(default.shape)}"
            )
        return default


def _check(spec: TableSpec) -> None:
    """InvalidArgumentError for a table that cannot be made."""
    if spec.kind == "HashTableV2":
        accepted = _STATIC.get(spec.key_dtype.name, ())
        if spec.value_dtype.name not in accepted:
            raise invalid(
                f"No OpKernel was registered to support Op 'HashTableV2' with keys of {spec.key_dtype.name} and values "
                f"of {spec.value_dtype.name}; with these keys, the values may be: {', '.join(accepted) or 'none'}"
            )
    if spec.kind == "MutableHashTableOfTensorsV2" and spec.value_shape.ndims != 1:
        raise invalid(f"Default value must be a vector, got shape {shown(spec.value_shape)}")


def table_of(context: KernelContext, table: TableSpec, make: Callable[[TableSpec], Table] = Table) -> Table:
    """The state of a table on the kernel's device; made, without entries, at first sight.

    It is looked up once, and again when it was detached: a lookup takes locks that all steps on the device share.
    """
    entry = context.cache.get(id(table))
    if entry is None or entry[1].detached:
        state = context.resource(table.key(context.session), lambda: make(table))
        entry = context.cache[id(table)] = (table, state.meant_by(table))  # with it, its id stays its own
    state_now: Table = entry[1]
    return state_now
