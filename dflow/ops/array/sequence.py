"""Sequences of numbers: `range`.

Source: math_ops.range of TensorFlow 1.15.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow.dtypes import DType, as_dtype, float32, float64, int32, int64
from dflow.errors import DTypeError, InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.rules.arrays import is_integral, namespace, single
from dflow.ops.rules.batching import each
from dflow.ops.rules.static import graph_of, is_symbolic, known_value, only, same_dtype, spec_of
from dflow.registry import define, not_differentiable
from dflow.specs import TensorSpec

__all__ = ["range"]


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = None) -> Tensor:
    """The numbers start, start + delta, ... up to `limit`, which is left out; `range(limit)` starts at 0.

    Each may be a scalar tensor.  dtype: None: the widest that an argument has: of int32, int64, float32 and float64, or
    another one, beside int32.  InvalidArgumentError at run time for a delta of 0 or of the wrong sign.
    """
    if limit is None:
        start, limit = 0, start
    values = [start, limit, delta]
    target = None if dtype is None else as_dtype(dtype)
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name or "range") as scope:
        tensors = [
            convert_to_tensor(item, None if is_symbolic(item) else target, word)
            for item, word in zip(values, ("start", "limit", "delta"), strict=True)
        ]
        common = target or _widest([tensor.dtype for tensor in tensors])
        result: Tensor = add_op("Range", *(cast(tensor, common) for tensor in tensors), name=scope)
    count = _known_count([known_value(item) for item in result.op.inputs])
    if count is not None:
        result.set_shape([count])
    return result


def _widest(dtypes: Sequence[DType]) -> DType:
    special = [dtype for dtype in dtypes if dtype not in _WIDER]
    if not special:
        return max(dtypes, key=_WIDER.index)
    if any(dtype not in (special[0], int32) for dtype in dtypes):
        names = ", ".join(dtype.name for dtype in dtypes)
        raise DTypeError(f"start, limit and delta are {names}, none is promoted; cast() them, or give dtype=")
    return special[0]


_WIDER = (int32, int64, float32, float64)


def _known_count(values: Sequence[Any]) -> int | None:
    if any(value is None for value in values):
        return None
    start, limit, delta = (value.reshape(()).item() for value in values)
    if not _has_an_end(start, limit, delta):
        raise ShapeError(
            f"range({start}, {limit}, {delta}): Requires start <= limit when delta > 0, start >= limit when delta < 0, "
            "and an end"
        )
    return _count(start, limit, delta)


def _has_an_end(start: Any, limit: Any, delta: Any) -> bool:
    """Whether steps of `delta` lead from `start` to `limit`."""
    return delta != 0 and (limit - start) * delta >= 0 and math.isfinite((limit - start) / delta)


def _count(start: Any, limit: Any, delta: Any) -> int:
    return (
        max(0, int(np.ceil((limit - start) / delta)))
        if isinstance(delta, float)
        else len(builtins.range(start, limit, delta))
    )


def _range_spec(start: TensorSpec, limit: TensorSpec, delta: TensorSpec) -> TensorSpec:
    same_dtype(start, limit, delta)
    only(start, start.dtype.is_integer or start.dtype.is_floating, "integers and floating numbers")
    for spec in (start, limit, delta):
        if spec.shape.ndims not in (0, None):
            raise ShapeError(f"start, limit and delta are scalars, got a shape of {spec.shape}")
    return spec_of([None], start.dtype)


def _range_kernel(start: Any, limit: Any, delta: Any) -> Any:
    xp = namespace(start)
    start, limit, delta = single(start), single(limit), single(delta)
    if start.ndim or limit.ndim or delta.ndim:
        shapes = ", ".join(str(list(array.shape)) for array in (start, limit, delta))
        raise InvalidArgumentError(None, None, f"start, limit and delta are scalars, got shapes of {shapes}")
    number = int if is_integral(start) else float
    first, last, step = number(start), number(limit), number(delta)
    if not _has_an_end(first, last, step):
        raise InvalidArgumentError(
            None, None, f"Requires start <= limit when delta > 0, got start {first}, limit {last}, delta {step}"
        )
    places = xp.arange(_count(first, last, step), device=device(start))
    return start + xp.astype(places, start.dtype) * delta


define("Range", spec=_range_spec, kernel=_range_kernel, gradient=not_differentiable, batch=each)
