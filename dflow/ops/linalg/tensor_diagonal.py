"""Diagonals of tensors of an even rank, whose first half of axes is paired with the second half.

Source: array_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Tensor
from dflow.ops.rules.arrays import namespace, zeros
from dflow.ops.rules.checked import checked
from dflow.ops.rules.matrices import merged_size, of_rank_at_least
from dflow.ops.rules.named import named
from dflow.registry import define
from dflow.shapes import UNKNOWN_SHAPE, TensorShape
from dflow.specs import TensorSpec

__all__ = ["diag", "diag_part"]


def diag(diagonal: Any, name: str | None = None) -> Tensor:
    """A tensor with this diagonal, and zeros elsewhere: of shape s -> of shape s + s."""
    tensor: Tensor = named("Diag", (diagonal,), ("diagonal",), name)
    return tensor


def diag_part(input: Any, name: str | None = None) -> Tensor:
    """The diagonal of a tensor: of shape s + s -> of shape s.  ShapeError for another shape."""
    tensor: Tensor = named("DiagPart", (input,), ("input",), name)
    return tensor


def _diag_spec(x: TensorSpec) -> TensorSpec:
    of_rank_at_least(x, 1)
    return TensorSpec(x.shape.concatenate(x.shape), x.dtype)


def _diag_kernel(x: Any) -> Any:
    flat = zeros(x, (x.size * x.size,))
    if x.size:
        flat[:: x.size + 1] = namespace(x).reshape(x, (-1,))
    return namespace(x).reshape(flat, (*x.shape, *x.shape))


def _part_spec(x: TensorSpec) -> TensorSpec:
    if x.shape.ndims is None:
        return TensorSpec(UNKNOWN_SHAPE, x.dtype)
    half, odd = divmod(x.shape.ndims, 2)
    if odd or not half:
        raise ShapeError(f"Input must have even and non-zero rank, its shape is {x.shape}")
    sizes = x.shape.known
    return TensorSpec(TensorShape(map(merged_size, sizes[:half], sizes[half:])), x.dtype)


def _part_kernel(x: Any) -> Any:
    sizes = x.shape[: x.ndim // 2]
    xp, count = namespace(x), math.prod(sizes)
    return xp.reshape(xp.reshape(x, (-1,))[:: count + 1], sizes)


define("Diag", spec=_diag_spec, kernel=checked(_diag_spec, _diag_kernel), gradient=lambda op, dy: diag_part(dy))
define("DiagPart", spec=_part_spec, kernel=checked(_part_spec, _part_kernel), gradient=lambda op, dy: diag(dy))
