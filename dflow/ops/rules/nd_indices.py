"""Indices of several axes, `[..., n]`: the places that they mean, for kernels of gather_nd and scatter_nd."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from dflow.errors import ShapeError
from dflow.ops.rules.ranks import bracketed, require
from dflow.shapes import TensorShape

__all__ = ["check_static", "check_updates", "flat_places", "misplaced"]


def check_static(indices: TensorShape, updates: TensorShape, target: TensorShape, what: str) -> None:
    """ShapeError if static shapes of indices, updates and of what is updated do not fit together."""
    if target.num_elements() == 0 and (indices.num_elements() or 0) > 0 and (updates.num_elements() or 0) > 0:
        raise ShapeError(f"Indices and updates specified for empty {what} shape")
    if indices.ndims is None or updates.ndims is None:
        return
    outer = indices.ndims - 1
    if not updates[:outer].is_compatible_with(indices[:outer]) or updates.ndims < outer:
        raise ShapeError(
            f"The outer {outer} dimensions of indices.shape={indices} must match the outer {outer} dimensions of "
            f"updates.shape={updates}"
        )
    depth = indices.known[-1]
    if target.ndims is None or depth is None:
        return
    inner = target.ndims - depth
    if inner < 0 or not target[depth:].is_compatible_with(updates[outer:]):
        raise ShapeError(
            f"The inner {inner} dimensions of {what}.shape={target} must match the inner {updates.ndims - outer} "
            f"dimensions of updates.shape={updates}"
        )


def check_updates(indices: Any, updates: Any, shape: Sequence[int], what: str) -> None:
    """As `check_static`, of arrays: InvalidArgumentError also for a place that is outside."""
    require(indices.ndim > 0, "Indices shape must have rank at least one. Found: []")
    require(len(shape) > 0, "Output must be at least 1-D, got shape: []")
    require(
        prod(shape) > 0 or not (indices.size and updates.size),
        "Indices and updates specified for empty output tensor",
    )
    try:
        check_static(TensorShape(indices.shape), TensorShape(updates.shape), TensorShape(shape), what)
    except ShapeError as error:
        require(False, str(error))
    stray = misplaced(indices, shape[: indices.shape[-1]])
    if stray is not None:
        where, value = stray
        place = bracketed(where) if where else ""
        require(False, f"indices{place} = {bracketed(value)} does not index into shape {bracketed(shape)}")


def flat_places(indices: Any, sizes: Sequence[int]) -> Any:
    """[count]: the number of each place in an array of these sizes, in row-major order."""
    xp = array_namespace(indices)
    rows = xp.reshape(indices, (prod(indices.shape[:-1]), len(sizes)))
    found = xp.zeros((rows.shape[0],), dtype=xp.int64, device=device(indices))
    for axis, size in enumerate(sizes):
        found = found * size + xp.astype(rows[:, axis], xp.int64, copy=False)
    return found


def misplaced(indices: Any, sizes: Sequence[int]) -> tuple[list[int], list[int]] | None:
    """The first row of the indices that is outside of the sizes: where it is, and its numbers; None if none is."""
    xp = array_namespace(indices)
    rows = xp.reshape(indices, (prod(indices.shape[:-1]), len(sizes)))
    for axis, size in enumerate(sizes):  # mostly none is outside: this is faster than one array of all axes
        column = rows[:, axis]
        if bool(xp.any(xp.logical_or(column < 0, column >= size))):
            break
    else:
        return None
    limits = xp.asarray(list(sizes), dtype=rows.dtype, device=device(indices))
    outside = xp.any(xp.logical_or(rows < 0, rows >= limits), axis=1)
    place = int(xp.argmax(xp.astype(outside, xp.int8)))
    where = [int(i) for i in np.unravel_index(place, tuple(indices.shape[:-1]))] if indices.ndim > 1 else []
    return where, [int(rows[place, axis]) for axis in range(len(sizes))]
