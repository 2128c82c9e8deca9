"""Updates of some rows of a variable: scatter_update, scatter_add, ..., scatter_nd_update, ..., batch_scatter_update.

`ref` is a variable, or the result of another update, which then happens before.  The rows are changed in place, unless
someone holds the value of the variable; see `variable_state.py`.
Source: tf.scatter_update, tf.scatter_nd_update, tf.batch_scatter_update of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import ones_like
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, reshape, shape
from dflow.ops.array.strided_slice import get_item
from dflow.ops.math.arithmetic import multiply
from dflow.ops.rules.arrays import check_indices, is_integral, namespace
from dflow.ops.rules.static import as_tensor, only
from dflow.ops.rules.sum_by_index import sum_by_index
from dflow.ops.state.assign import update
from dflow.ops.state.variable_state import state_of
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec, VariableSpec

__all__ = [
    "batch_scatter_update",
    "scatter_add",
    "scatter_div",
    "scatter_max",
    "scatter_min",
    "scatter_mul",
    "scatter_nd_add",
    "scatter_nd_sub",
    "scatter_nd_update",
    "scatter_sub",
    "scatter_update",
]


def scatter_update(ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None) -> Tensor:
    """Assign `updates[i, ...]` to row `indices[i]` of a variable; gives its new value.

    indices: integers of any shape [i, ...]; updates: [i, ..., *rest] for a variable of shape [n, *rest], or a scalar.
    Of several updates of one row, the last one stays.
    ShapeError, or InvalidArgumentError at run time, for other shapes; InvalidArgumentError for an index outside of
    [0, n), which changes nothing.
    """
    return _scatter(ref, "ScatterUpdate", indices, updates, use_locking, name)


def scatter_add(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Add to rows of a variable, as `scatter_update`; several updates of a row add up."""
    return _scatter(ref, "ScatterAdd", indices, updates, use_locking, name)


def scatter_sub(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Subtract from rows of a variable, as `scatter_update`; several updates of a row add up."""
    return _scatter(ref, "ScatterSub", indices, updates, use_locking, name)


def scatter_mul(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Multiply rows of a variable, as `scatter_update`; a row is multiplied by all of its updates."""
    return _scatter(ref, "ScatterMul", indices, updates, use_locking, name)


def scatter_div(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Divide rows of a variable, as `scatter_update`; a row is divided by all of its updates."""
    return _scatter(ref, "ScatterDiv", indices, updates, use_locking, name)


def scatter_min(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """The minimum of rows of a variable and their updates, as `scatter_update`."""
    return _scatter(ref, "ScatterMin", indices, updates, use_locking, name)


def scatter_max(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """The maximum of rows of a variable and their updates, as `scatter_update`."""
    return _scatter(ref, "ScatterMax", indices, updates, use_locking, name)


def scatter_nd_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Tensor:
    """Assign to slices of a variable: the last axis of `indices` names the first axes of it; gives its new value.

    indices: integers [..., k]; updates: [..., *rest] for a variable of shape [n1, ..., nk, *rest].
    Errors: as `scatter_update`.
    """
    return _scatter(ref, "ScatterNdUpdate", indices, updates, use_locking, name)


def scatter_nd_add(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Add to slices of a variable, as `scatter_nd_update`; several updates of a slice add up."""
    return _scatter(ref, "ScatterNdAdd", indices, updates, use_locking, name)


def scatter_nd_sub(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
    """Subtract from slices of a variable, as `scatter_nd_update`; several updates of a slice add up."""
    return _scatter(ref, "ScatterNdSub", indices, updates, use_locking, name)


def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Tensor:
    """Assign to rows of each item of a batch: `ref[b, ..., indices[b, ..., i], ...] = updates[b, ..., i, ...]`.

    indices: integers, of known rank; its first axes, all but the last, are those of the variable.  ValueError for
    indices of unknown rank.
    """
    places = as_tensor(indices, beside=(ref,), name="indices")
    if places.shape.ndims is None:
        raise ValueError("batch_gather does not allow indices with unknown shape.")
    graph = places.graph
    with graph.as_default(), graph.name_scope(name) if name else nullcontext():
        sizes, last = shape(places), expand_dims(places, -1)
        parts = []
        for axis in range(places.shape.ndims - 1):
            along = [1] * (places.shape.ndims + 1)
            along[axis] = -1
            numbers = reshape(range_(0, get_item(sizes, axis), 1), along)
            parts.append(multiply(cast(numbers, last.dtype), ones_like(last)))
        return scatter_nd_update(ref, concat([*parts, last], -1), updates, use_locking)


def _scatter(ref: Any, kind: str, indices: Any, updates: Any, use_locking: bool, name: str | None) -> Tensor:
    graph = ref.graph if hasattr(ref, "graph") else None
    with nullcontext() if graph is None else graph.as_default():
        places = convert_to_tensor(indices, name="indices")
    return update(ref, kind, (places, updates), name, use_locking=use_locking)


# -- shapes


def _check(indices: TensorSpec, updates: TensorSpec, variable: VariableSpec, numeric: bool) -> None:
    only(indices, indices.dtype.name in ("int32", "int64"), "int32 and int64 as indices")
    only(updates, not numeric or updates.dtype.is_numeric, "numbers")


def _rows_spec(numeric: bool) -> Callable[..., TensorSpec]:
    def spec(indices: TensorSpec, updates: TensorSpec, variable: VariableSpec, use_locking: bool) -> TensorSpec:
        _check(indices, updates, variable, numeric)
        if variable.shape.ndims == 0:
            raise ShapeError(f"Shape must be at least rank 1 but is rank 0: variable {variable.name!r}")
        rest = variable.shape[1:] if variable.shape.ndims is not None else TensorShape(None)
        wanted = indices.shape.concatenate(rest)
        if updates.shape.ndims != 0 and not updates.shape.is_compatible_with(wanted):
            raise ShapeError(
                "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got "
                f"updates.shape {updates.shape}, indices.shape {indices.shape}, params.shape {variable.shape}"
            )
        return TensorSpec(variable.shape, variable.dtype)

    return spec


def _slices_spec(numeric: bool) -> Callable[..., TensorSpec]:
    def spec(indices: TensorSpec, updates: TensorSpec, variable: VariableSpec, use_locking: bool) -> TensorSpec:
        _check(indices, updates, variable, numeric)
        if indices.shape.ndims == 0:
            raise ShapeError("Shape must be at least rank 1 but is rank 0: the indices")
        depth = None if indices.shape.ndims is None else indices.shape.known[-1]
        if depth is None or variable.shape.ndims is None:
            return TensorSpec(variable.shape, variable.dtype)
        if depth > variable.shape.ndims:
            raise ShapeError(
                f"index innermost dimension length must be <= params rank; saw: {depth} vs. {variable.shape.ndims}"
            )
        outer = indices.shape.known[:-1]
        wanted = TensorShape([*outer, *variable.shape.known[depth:]])
        if not updates.shape.is_compatible_with(wanted):
            raise ShapeError(
                f"The outer {len(outer)} dimensions of indices.shape={indices.shape} must match the outer {len(outer)} "
                f"dimensions of updates.shape={updates.shape}, and the inner ones those of the variable: {wanted}"
            )
        return TensorSpec(variable.shape, variable.dtype)

    return spec


# -- kernels: `change(rows, places, updates)` writes to rows; several updates may have one place


def _assigned(rows: Any, places: Any, updates: Any) -> None:
    rows[places] = updates


def _added(rows: Any, places: Any, updates: Any) -> None:
    distinct, sums = _sums(rows, places, updates)
    rows[distinct] += sums


def _subtracted(rows: Any, places: Any, updates: Any) -> None:
    distinct, sums = _sums(rows, places, updates)
    rows[distinct] -= sums


def _sums(rows: Any, places: Any, updates: Any) -> Any:
    return sum_by_index(places, namespace(rows).broadcast_to(updates, (places.shape[0], *rows.shape[1:])))


def _each(function: str) -> Callable[[Any, Any, Any], None]:
    """A change of each row by one update after the other."""

    def change(rows: Any, places: Any, updates: Any) -> None:
        xp = namespace(rows)
        if xp.unique_values(places).shape[0] == places.shape[0]:
            rows[places] = getattr(xp, function)(rows[places], updates)
        else:
            getattr(xp, function).at(rows, places, updates)

    return change


def _divided(rows: Any, places: Any, updates: Any) -> None:
    if not is_integral(rows):
        _each("divide")(rows, places, updates)
        return
    xp = namespace(rows)
    if not bool(xp.all(updates != 0)):
        raise InvalidArgumentError(None, None, "Integer division by zero")
    size = xp.abs(rows)
    _each("floor_divide")(size, places, xp.abs(updates))
    sign = xp.sign(rows)
    _each("multiply")(sign, places, xp.broadcast_to(xp.sign(updates), (places.shape[0], *rows.shape[1:])))
    rows[...] = size * sign  # rounds towards 0


def _rows_kernel(change: Callable[[Any, Any, Any], None]) -> Callable[..., Any]:
    def kernel(context: KernelContext, indices: Any, updates: Any, variable: VariableSpec, use_locking: bool) -> Any:
        state = state_of(context, variable)
        with state.rows() as value:
            _check_fit(updates, (*indices.shape, *value.shape[1:]), scalar=True)
            check_indices(indices, value.shape[0])
            places = indices.reshape(-1)
            change(value, places, updates.reshape(-1, *value.shape[1:]) if updates.ndim else updates)
        return state.read()

    return kernel


def _slices_kernel(change: Callable[[Any, Any, Any], None]) -> Callable[..., Any]:
    def kernel(context: KernelContext, indices: Any, updates: Any, variable: VariableSpec, use_locking: bool) -> Any:
        state = state_of(context, variable)
        with state.rows() as value:
            depth = indices.shape[-1]
            _check_fit(updates, (*indices.shape[:-1], *value.shape[depth:]), scalar=False)
            outer, rest = value.shape[:depth], value.shape[depth:]
            places = _flat_places(indices.reshape(-1, depth) if depth else indices, outer, value.shape)
            change(value.reshape(math.prod(outer), *rest), places, updates.reshape(-1, *rest))
        return state.read()

    return kernel


def _check_fit(updates: Any, wanted: tuple[int, ...], scalar: bool) -> None:
    if tuple(updates.shape) != wanted and not (scalar and updates.ndim == 0):
        raise InvalidArgumentError(
            None,
            None,
            "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got updates.shape "
            f"{list(updates.shape)}, expected {list(wanted)}",
        )


def _flat_places(indices: Any, outer: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    """Indices [n, k] into the first k axes, as indices into one axis; InvalidArgumentError for one out of range."""
    xp = namespace(indices)
    bad = ((indices < 0) | (indices >= xp.asarray(outer, dtype=indices.dtype))).any(axis=1) if outer else xp.zeros(0)
    if bad.any():
        place = int(bad.argmax())
        numbers = ", ".join(str(int(number)) for number in indices[place])
        raise InvalidArgumentError(
            None, None, f"indices[{place}] = [{numbers}] does not index into shape {list(sizes)}"
        )
    strides = [math.prod(outer[axis + 1 :]) for axis in range(len(outer))]
    if not outer:
        return xp.zeros(math.prod(indices.shape[:-1]), dtype=np.int64)
    return (indices.astype(np.int64) * xp.asarray(strides, dtype=np.int64)).sum(axis=1)


_STATE = no_gradient("an update of a variable is a side effect")

for _kind, _change in (
    ("Update", _assigned),
    ("Add", _added),
    ("Sub", _subtracted),
    ("Mul", _each("multiply")),
    ("Div", _divided),
    ("Min", _each("minimum")),
    ("Max", _each("maximum")),
):
    define(
        f"Scatter{_kind}",
        spec=_rows_spec(numeric=_kind != "Update"),
        kernel=_rows_kernel(_change),
        gradient=_STATE,
        stateful=True,
    )
for _kind, _change in (("Update", _assigned), ("Add", _added), ("Sub", _subtracted)):
    define(
        f"ScatterNd{_kind}",
        spec=_slices_spec(numeric=_kind != "Update"),
        kernel=_slices_kernel(_change),
        gradient=_STATE,
        stateful=True,
    )
