"""Vector products in space.

Source: math_ops.cross of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import ShapeError
from dflow.graph import Operation, Tensor
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.matrices import of_rank_at_least
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only, same_dtype
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["cross"]


def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """The vector products of pairs of vectors of 3 numbers.  a, b: [..., 3], of one shape.  Real numbers."""
    tensor: Tensor = named("Cross", (a, b), ("a", "b"), name)
    return tensor


def _spec(a: TensorSpec, b: TensorSpec) -> TensorSpec:
    same_dtype(a, b)
    only(a, a.dtype.is_numeric and not a.dtype.is_complex, "real numbers")
    both = TensorSpec(a.shape.merge_with(b.shape), a.dtype)
    of_rank_at_least(both, 1)
    if both.shape.ndims is not None and both.shape[-1] not in (3, None):
        raise ShapeError(f"Dimension must be 3 but is {both.shape[-1]}: the size of a vector")
    return both


def _kernel(a: Any, b: Any) -> Any:
    xp = namespace(a)
    x, y, z = (a[..., i] for i in range(3))
    u, v, w = (b[..., i] for i in range(3))
    return xp.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-1)


def _gradient(op: Operation, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, b = op.inputs
    return cross(b, dy), cross(dy, a)


define("Cross", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)
