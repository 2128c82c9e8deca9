"""Lookup tables whose entries a program adds, changes and removes.

Source: MutableHashTable, DenseHashTable of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dflow.dtypes import as_dtype
from dflow.graph import GraphKeys, Operation, Tensor, convert_to_tensor, scopes
from dflow.ops.lookup.operations import add, make
from dflow.ops.lookup.tables import LookupInterface, SignatureError, like_keys
from dflow.ops.rules.static import constant_value
from dflow.ops.saveable import SaveableObject, SaveSpec
from dflow.shapes import TensorShape

__all__ = ["DenseHashTable", "MutableHashTable"]

_BUCKETS = 131072  # of a dense table, at first
_LOAD = 0.8


class _Mutable(LookupInterface):
    """What both kinds have in common."""

    _handle: Operation
    _default_value: Tensor

    @property
    def name(self) -> str:
        return self._handle.name.rpartition("/")[2]

    @property
    def resource_handle(self) -> Tensor:
        """The handle of the table."""
        return self._handle.outputs[0]

    def size(self, name: str | None = None) -> Tensor:
        """The number of entries: a scalar int64."""
        result: Tensor = self._add("LookupTableSizeV2", name, "Size")
        return result

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of keys, a tensor or a SparseTensor; the default value for a key that is not there.

        SignatureError (a TypeError) for keys of another dtype.
        """
        with scopes.building_in(self._handle.graph):
            values = self._add("LookupTableFindV2", name, "lookup_table_find", self._as_keys(keys), self._default_value)
            return like_keys(keys, values)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """Add entries, or change them; of a key that comes twice, the last value counts.

        InvalidArgumentError at run time for values of another shape.
        """
        op: Operation = self._add("LookupTableInsertV2", name, "lookup_table_insert", *self._entries(keys, values))
        return op

    def remove(self, keys: Any, name: str | None = None) -> Operation:
        """Remove entries; keys that are not there are ignored."""
        with scopes.building_in(self._handle.graph):
            op: Operation = self._add("LookupTableRemoveV2", name, "lookup_table_remove", self._as_keys(keys))
        return op

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and values, in no order."""
        keys, values = self._add("LookupTableExportV2", name, "lookup_table_export_values")
        return keys, values

    def _save_with_variables(self, name: str) -> None:
        """Let a Saver of all variables save the entries, too."""
        self.saveable = _TableSaveable(self, name)
        self._handle.graph.add_to_collection(GraphKeys.SAVEABLE_OBJECTS, self.saveable)

    def _entries(self, keys: Any, values: Any) -> list[Tensor]:
        pairs = (("Keys", keys, self._key_dtype), ("Values", values, self._value_dtype))
        with scopes.building_in(self._handle.graph):
            tensors = [convert_to_tensor(x, None if hasattr(x, "dtype") else dtype) for _, x, dtype in pairs]
        for (what, _, dtype), tensor in zip(pairs, tensors, strict=True):
            if tensor.dtype != dtype:
                raise SignatureError(f"Signature mismatch. {what} must be dtype {dtype.name}, got {tensor.dtype.name}.")
        return tensors

    def _add(self, kind: str, name: str | None, suffix: str, *inputs: Any) -> Any:
        graph = self._handle.graph
        with scopes.building_in(graph), graph.name_scope(name or f"{self.name}_{suffix}"):
            return add(kind, self._handle, *inputs)


class _TableSaveable(SaveableObject):
    """The keys and the values of a table; a restore replaces all entries."""

    def __init__(self, table: _Mutable, name: str) -> None:
        keys, values = table.export()
        super().__init__(table, [SaveSpec(keys, "", f"{name}-keys"), SaveSpec(values, "", f"{name}-values")], name)

    def restore(self, restored_tensors: Sequence[Tensor], restored_shapes: Sequence[Any] | None) -> Operation:
        keys, values = restored_tensors
        op: Operation = self.op._add("LookupTableImportV2", f"{self.name}_table_restore", "", keys, values)
        return op


class MutableHashTable(_Mutable):
    """A table that begins empty.  On a cluster, sessions that build one of the same name on the same device share it.

    default_value: of keys that are not there: a scalar, or a vector: then each value is a vector of this length.
    checkpoint: whether a checkpoint is to hold its entries.  shared_name: the name under which it is shared; None: that
    of its operation.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
        shared_name: str | None = None,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        self._default_value = convert_to_tensor(default_value, self._value_dtype)
        scalar = self._default_value.shape.ndims == 0
        self._handle = make(
            "MutableHashTableV2" if scalar else "MutableHashTableOfTensorsV2",
            name,
            key_dtype=self._key_dtype,
            value_dtype=self._value_dtype,
            value_shape=self._default_value.spec.shape,
            shared_name=shared_name or "",
            by_node=not shared_name,
        )
        if checkpoint:
            self._save_with_variables(name)


class DenseHashTable(_Mutable):
    """A table in buckets, for keys of any shape; it begins empty, and is shared as a `MutableHashTable`.

    default_value: of keys that are not there; each value has its shape.  empty_key, deleted_key: two keys that are
    never used, which mark a free bucket and a removed entry; they are known while the graph is built.
    initial_num_buckets: a power of 2.  It grows so that at most 4 of 5 buckets are in use.
    InvalidArgumentError at run time for other arguments, and for the use of one of both keys.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
        shared_name: str | None = None,
    ) -> None:
        super().__init__(key_dtype, value_dtype)
        self._default_value = convert_to_tensor(default_value, self._value_dtype, name="default_value")
        empty, deleted = (_known(key, self._key_dtype, name) for name, key in
                          (("empty_key", empty_key), ("deleted_key", deleted_key)))  # fmt: skip
        self._handle = make(
            "MutableDenseHashTableV2",
            name,
            key_dtype=self._key_dtype,
            value_dtype=self._value_dtype,
            key_shape=TensorShape(empty.shape),
            value_shape=self._default_value.spec.shape,
            empty_key=tuple(empty.reshape(-1).tolist()),
            deleted_key=tuple(deleted.reshape(-1).tolist()),
            deleted_shape=TensorShape(deleted.shape),
            num_buckets=_BUCKETS if initial_num_buckets is None else int(initial_num_buckets),
            max_load_factor=_LOAD,
            shared_name=shared_name or "",
            by_node=not shared_name,
        )
        if checkpoint:
            self._save_with_variables(name)


def _known(key: Any, dtype: Any, name: str) -> np.ndarray[Any, Any]:
    value = constant_value(convert_to_tensor(key, as_dtype(dtype), name=name))
    if value is None:
        raise ValueError(f"{name} must be known while the graph is built, got {key!r}")
    return value
