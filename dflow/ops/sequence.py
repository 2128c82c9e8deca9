"""Numbers in a row.

Source: math_ops.range of TensorFlow 1.15.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from dflow import scopes
from dflow.dtypes import as_dtype
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Tensor, add_op
from dflow.ops.arrays import is_integral, namespace
from dflow.ops.batching import each
from dflow.ops.static import graph_of, is_symbolic, known_value, only, operands, same_dtype, spec_of
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

__all__ = ["range"]


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = None) -> Tensor:
    """The numbers start, start + delta, ... up to `limit`, which is left out; `range(limit)` starts at 0.

    Each may be a scalar tensor.  dtype: as given, else that of the arguments.  InvalidArgumentError at run time for a
    delta of 0 or of the wrong sign.
    """
    if limit is None:
        start, limit = 0, start
    values = [start, limit, delta]
    if dtype is not None:
        values = [item if is_symbolic(item) else np.asarray(item, as_dtype(dtype).numpy_dtype) for item in values]
    elif not any(is_symbolic(item) for item in values) and any(isinstance(item, float) for item in values):
        values = [np.asarray(item, np.float32) for item in values]
    graph = graph_of(values)
    with scopes.building_in(graph), graph.name_scope(name or "range") as scope:
        result: Tensor = add_op("Range", *operands(values, ("start", "limit", "delta"), "Range"), name=scope)
    count = _known_count([known_value(item) for item in result.op.inputs])
    if count is not None:
        result.set_shape([count])
    return result


def _known_count(values: Sequence[Any]) -> int | None:
    if any(value is None for value in values):
        return None
    start, limit, delta = (value.reshape(()).item() for value in values)
    if delta == 0 or (limit - start) * delta < 0:
        raise ShapeError(
            f"range({start}, {limit}, {delta}): Requires start <= limit when delta > 0, start >= limit when delta < 0"
        )
    return _count(start, limit, delta)


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
    number = int if is_integral(start) else float
    first, last, step = number(start), number(limit), number(delta)
    if step == 0 or (last - first) * step < 0:
        raise InvalidArgumentError(
            None, None, f"Requires start <= limit when delta > 0, got start {first}, limit {last}, delta {step}"
        )
    places = xp.arange(_count(first, last, step), device=device(start))
    return start + xp.astype(places, start.dtype) * delta


define("Range", spec=_range_spec, kernel=_range_kernel, gradient=no_gradient("a range is a row of numbers"), batch=each)
