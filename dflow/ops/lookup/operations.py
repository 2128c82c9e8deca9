"""The operations on lookup tables.  Each works on the table that its attribute describes, on the table's device.

Source: lookup_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int64, string
from dflow.errors import DTypeError, ShapeError
from dflow.graph import Operation, add_op, convert_to_tensor, get_default_graph
from dflow.ops.lookup.dense_table import DenseTable
from dflow.ops.lookup.table_state import Array, Table, invalid
from dflow.ops.lookup.table_state import table_of as state_of
from dflow.ops.lookup.text_file import entries_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import SCALAR, UNKNOWN_SHAPE, TensorShape
from dflow.specs import TableSpec, TensorSpec

__all__ = ["add", "make"]


def make(kind: str, name: str, **attrs: Any) -> Operation:
    """Add the operation of a table of this kind, which is its handle."""
    graph = get_default_graph()
    node = graph.unique_name(name, mark_as_used=False)
    spec = TableSpec(kind=kind, node=node, container=graph.scope.container, **attrs)
    return graph.create_op(kind, (), {"table": spec}, name=name)


def add(kind: str, handle: Operation, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
    """Add an operation on a table, on the device of the table."""
    graph = handle.graph
    tensors = [convert_to_tensor(item) for item in inputs]
    with graph.as_default(), graph.colocate_with(handle):
        return add_op(kind, *tensors, name=name, table=handle.attrs["table"], **attrs)


def table_of(context: KernelContext, table: TableSpec) -> Table:
    return state_of(context, table, DenseTable if table.kind == "MutableDenseHashTableV2" else Table)


# -- shape rules


def _handle_spec(table: TableSpec) -> TensorSpec:
    return TensorSpec(SCALAR, string)


def _check(keys: TensorSpec, table: TableSpec) -> None:
    if keys.dtype != table.key_dtype:
        raise DTypeError(f"the keys of table {table.name!r} are {table.key_dtype.name}, got {keys.dtype.name}")


def _check_entries(keys: TensorSpec, values: TensorSpec, table: TableSpec) -> None:
    _check(keys, table)
    if values.dtype != table.value_dtype:
        raise DTypeError(f"the values of table {table.name!r} are {table.value_dtype.name}, got {values.dtype.name}")


def _find_spec(keys: TensorSpec, default: TensorSpec, table: TableSpec) -> TensorSpec:
    _check_entries(keys, default, table)
    inner = len(table.key_shape.known)
    if keys.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, table.value_dtype)
    if keys.shape.ndims < inner:
        raise ShapeError(f"a key of table {table.name!r} has the shape {table.key_shape}, got keys of {keys.shape}")
    return TensorSpec(keys.shape[: keys.shape.ndims - inner].concatenate(table.value_shape), table.value_dtype)


def _size_spec(table: TableSpec) -> TensorSpec:
    return TensorSpec(SCALAR, int64)


def _initialize_spec(keys: TensorSpec, values: TensorSpec, table: TableSpec) -> tuple[TensorSpec, ...]:
    _check_entries(keys, values, table)
    keys.shape.with_rank(1).merge_with(values.shape)
    return ()


def _entries_spec(keys: TensorSpec, values: TensorSpec, table: TableSpec) -> tuple[TensorSpec, ...]:
    _check_entries(keys, values, table)
    return ()


def _remove_spec(keys: TensorSpec, table: TableSpec) -> tuple[TensorSpec, ...]:
    _check(keys, table)
    return ()


def _file_spec(filename: TensorSpec, table: TableSpec, **attrs: Any) -> tuple[TensorSpec, ...]:
    if filename.dtype != string:
        raise DTypeError(f"the name of a vocabulary file must be string, got {filename.dtype.name}")
    filename.shape.with_rank(0)
    return ()


def _export_spec(table: TableSpec) -> list[TensorSpec]:
    count = TensorShape([None])
    return [
        TensorSpec(count.concatenate(table.key_shape), table.key_dtype),
        TensorSpec(count.concatenate(table.value_shape), table.value_dtype),
    ]


# -- kernels


def _handle_kernel(context: KernelContext, table: TableSpec) -> Array:
    table_of(context, table)
    return np.array(f"{context.device}/{table.container}/{table.name}".encode(), object)


def _find_kernel(context: KernelContext, keys: Array, default: Array, table: TableSpec) -> Array:
    return table_of(context, table).find(keys, default)


def _size_kernel(context: KernelContext, table: TableSpec) -> Array:
    return np.asarray(table_of(context, table).size(), np.int64)


def _initialize_kernel(context: KernelContext, keys: Array, values: Array, table: TableSpec) -> tuple[()]:
    table_of(context, table).initialize(keys, values)
    return ()


def _import_kernel(context: KernelContext, keys: Array, values: Array, table: TableSpec) -> tuple[()]:
    state = table_of(context, table)
    if table.kind == "HashTableV2":
        state.initialize(keys, values)
    else:
        state.replace(keys, values)
    return ()


def _file_kernel(
    context: KernelContext,
    filename: Array,
    table: TableSpec,
    key_index: int,
    value_index: int,
    vocab_size: int,
    delimiter: str,
) -> tuple[()]:
    if filename.ndim:
        raise invalid(f"the name of a vocabulary file is a scalar, got a shape of {list(filename.shape)}")
    key, value = (key_index, table.key_dtype), (value_index, table.value_dtype)
    keys, values = entries_of(filename.item().decode(), key, value, vocab_size, delimiter)
    table_of(context, table).initialize(keys, values)
    return ()


def _insert_kernel(context: KernelContext, keys: Array, values: Array, table: TableSpec) -> tuple[()]:
    table_of(context, table).insert(keys, values)
    return ()


def _remove_kernel(context: KernelContext, keys: Array, table: TableSpec) -> tuple[()]:
    table_of(context, table).remove(keys)
    return ()


def _export_kernel(context: KernelContext, table: TableSpec) -> tuple[Array, Array]:
    return table_of(context, table).export()


_NONE = no_gradient("the entries of a table do not depend on this step's tensors")

for _kind in ("HashTableV2", "MutableHashTableV2", "MutableHashTableOfTensorsV2", "MutableDenseHashTableV2"):
    define(_kind, spec=_handle_spec, kernel=_handle_kernel, gradient=_NONE, stateful=True, host_only=True)
for _kind, _spec, _kernel in (
    ("LookupTableFindV2", _find_spec, _find_kernel),
    ("LookupTableSizeV2", _size_spec, _size_kernel),
    ("InitializeTableV2", _initialize_spec, _initialize_kernel),
    ("InitializeTableFromTextFileV2", _file_spec, _file_kernel),
    ("LookupTableImportV2", _entries_spec, _import_kernel),
    ("LookupTableInsertV2", _entries_spec, _insert_kernel),
    ("LookupTableRemoveV2", _remove_spec, _remove_kernel),
    ("LookupTableExportV2", _export_spec, _export_kernel),
):
    define(_kind, spec=_spec, kernel=_kernel, gradient=_NONE, stateful=True, host_only=True)
