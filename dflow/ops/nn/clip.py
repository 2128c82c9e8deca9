"""Clipping: by bounds, and by norms, as training does with gradients.

Source: clip_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.constants import constant
from dflow.ops.array.fill import ones_like
from dflow.ops.math.arithmetic import add, add_n, maximum, minimum, multiply, subtract
from dflow.ops.math.compare import greater, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import reciprocal, sqrt
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.nn.losses import l2_loss
from dflow.ops.rules.static import as_tensor, graph_of, is_symbolic

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value", "global_norm"]


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """sqrt(sum of the squares of all values of all tensors), a scalar; None entries are skipped.  Floating."""
    losses = [l2_loss(t) for t in _sequence(t_list) if t is not None]
    if not losses:
        return constant(0.0, name=name or "global_norm")
    return sqrt(multiply(add_n(losses), 2), name=name or "global_norm")


def _sequence(t_list: Any) -> list[Any]:
    if not isinstance(t_list, (list, tuple)):
        raise TypeError("t_list should be a sequence")
    return list(t_list)


def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Tensor | None], Tensor]:
    """The tensors, scaled down together if their global norm is above `clip_norm`, and that norm.

    use_norm: the norm, if it is computed already.  None entries stay None.  A norm that is not finite gives NaN.
    """
    with scopes.building_in(graph_of((*_sequence(t_list), clip_norm, use_norm))):
        items = [None if t is None else convert_to_tensor(t) for t in t_list]
        norm = global_norm(items) if use_norm is None else convert_to_tensor(use_norm)
    scale = multiply(minimum(reciprocal(norm), realdiv(ones_like(norm), clip_norm)), clip_norm)
    scale = add(scale, subtract(norm, norm))  # 0, or NaN for an infinite norm
    return [None if t is None else multiply(t, scale) for t in items], norm


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """The tensor, scaled down if the norm of its values (along `axes`, None: of all) is above `clip_norm`.

    `clip_norm` is cast to the dtype of t; a negative one counts as 0.  The gradient at 0 is finite.  ShapeError for a
    `clip_norm` that would give the result another shape.
    """
    x = as_tensor(t, beside=(clip_norm,))
    squares = reduce_sum(multiply(x, x), axes, keepdims=True)
    positive = greater(squares, 0)
    safe = where(positive, squares, ones_like(squares))
    norm = where(positive, sqrt(safe), squares)
    with scopes.building_in(x.graph):
        limit = cast(clip_norm, x.dtype) if is_symbolic(clip_norm) else convert_to_tensor(clip_norm, x.dtype)
        limit = maximum(limit, 0)
    scaled = _of_shape(x, multiply(x, limit), "clip_norm")
    return realdiv(scaled, maximum(norm, limit), name=name or "clip_by_norm")


def _of_shape(x: Tensor, result: Tensor, what: str) -> Tensor:
    """The result; ShapeError if broadcasting gave it another shape than that of `x`."""
    if not result.shape.is_compatible_with(x.shape):
        raise ShapeError(f"{what} would change the shape {x.shape} to {result.shape}")
    return result


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """t, but not below `clip_value_min` and not above `clip_value_max`, which broadcast to the shape of t.

    ShapeError if they do not.
    """
    t = as_tensor(t, beside=(clip_value_min, clip_value_max))
    below = _of_shape(t, minimum(t, clip_value_max), "clip_value_max")
    return _of_shape(t, maximum(below, clip_value_min, name=name or "clip_by_value"), "clip_value_min")
