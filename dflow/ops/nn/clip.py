"""Clipping: by bounds, and by norms, as training does with gradients.

Of IndexedSlices, the values are clipped; the indices stay.
Source: clip_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.dtypes import float32
from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import ones_like
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.array.shape import size
from dflow.ops.control import identity
from dflow.ops.math.aggregate import Gradient
from dflow.ops.math.arithmetic import add, add_n, maximum, minimum, multiply, subtract
from dflow.ops.math.compare import greater, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import reciprocal, rsqrt, sqrt
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.nn.losses import l2_loss
from dflow.ops.rules.static import as_tensor, graph_of, is_symbolic

__all__ = ["clip_by_average_norm", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """sqrt(sum of the squares of all values of all tensors), a scalar; None entries are skipped.  Floating.

    TypeError for an argument that is no sequence.
    """
    losses = [l2_loss(_values_of(t)) for t in _sequence(t_list) if t is not None]
    if not losses:
        return constant(0.0, name=name or "global_norm")
    return sqrt(multiply(add_n(losses), 2), name=name or "global_norm")


def _sequence(t_list: Any) -> list[Any]:
    if not isinstance(t_list, (list, tuple)):
        raise TypeError("t_list should be a sequence")
    return list(t_list)


def _values_of(t: Any, beside: Sequence[Any] = ()) -> Tensor:
    return t.values if isinstance(t, IndexedSlices) else as_tensor(t, beside=beside)


def _with_values(t: Any, values: Tensor) -> Any:
    """The clipped values in the place of those of `t`."""
    return t.mapped(lambda _: values) if isinstance(t, IndexedSlices) else values


def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Gradient | None], Tensor]:
    """The tensors, scaled down together if their global norm is above `clip_norm`, and that norm.

    use_norm: the norm, if it is computed already.  None entries stay None.  A norm that is not finite gives NaN.
    TypeError for an argument that is no sequence.
    """
    items = _sequence(t_list)
    graph = graph_of((*(_values_of(t) if isinstance(t, IndexedSlices) else t for t in items), clip_norm, use_norm))
    with scopes.building_in(graph), graph.name_scope(name or "clip_by_global_norm") as scope:
        values = [None if t is None else _values_of(t) for t in items]
        norm = global_norm(values) if use_norm is None else convert_to_tensor(use_norm)
        scale = multiply(minimum(reciprocal(norm), realdiv(ones_like(norm), clip_norm)), clip_norm)
        scale = add(scale, subtract(norm, norm))  # 0, or NaN for an infinite norm
        clipped: list[Gradient | None] = []
        for i, (t, value) in enumerate(zip(items, values, strict=True)):
            if value is None:
                clipped.append(None)
                continue
            with graph.colocate_with(value.op):
                scaled = identity(multiply(value, scale), name=f"{scope}_{i}")
            clipped.append(_with_values(t, scaled))
    return clipped, norm


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """The tensor, scaled down if the norm of its values (along `axes`, None: of all) is above `clip_norm`.

    `clip_norm` is cast to the dtype of t; a negative one counts as 0.  The gradient at 0 is finite.  ShapeError for a
    `clip_norm` that would give the result another shape.
    """
    x = _values_of(t, beside=(clip_norm,))
    squares = reduce_sum(multiply(x, x), axes, keepdims=True)
    positive = greater(squares, 0)
    safe = where(positive, squares, ones_like(squares))
    norm = where(positive, sqrt(safe), squares)
    limit = maximum(_in_dtype_of(x, clip_norm), 0)
    scaled = _of_shape(x, multiply(x, limit), "clip_norm")
    return _with_values(t, realdiv(scaled, maximum(norm, limit), name=name or "clip_by_norm"))


def _in_dtype_of(x: Tensor, value: Any) -> Tensor:
    with scopes.building_in(x.graph):
        return cast(value, x.dtype) if is_symbolic(value) else convert_to_tensor(value, x.dtype)


def _of_shape(x: Tensor, result: Tensor, what: str) -> Tensor:
    """The result; ShapeError if broadcasting gave it another shape than that of `x`."""
    if not result.shape.is_compatible_with(x.shape):
        raise ShapeError(f"{what} would change the shape {x.shape} to {result.shape}")
    return result


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """t, but not below `clip_value_min` and not above `clip_value_max`, which broadcast to the shape of t.

    ShapeError if they do not.
    """
    x = _values_of(t, beside=(clip_value_min, clip_value_max))
    below = _of_shape(x, minimum(x, clip_value_max), "clip_value_max")
    return _with_values(t, _of_shape(x, maximum(below, clip_value_min, name=name or "clip_by_value"), "clip_value_min"))


def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """The tensor, scaled down if its norm divided by the number of its values is above `clip_norm`.  float32."""
    x = as_tensor(t, beside=(clip_norm,))
    graph = x.graph
    with scopes.building_in(graph), graph.name_scope(name or "clip_by_average_norm") as scope:
        count = cast(size(x), float32)
        inverse = rsqrt(reduce_sum(multiply(x, x)))
        scale = minimum(multiply(inverse, count), realdiv(constant(1.0), clip_norm))
        return identity(multiply(multiply(x, clip_norm), scale), name=scope)
