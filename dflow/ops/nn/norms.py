"""Vectors scaled to norm 1.  Source: tf.nn.l2_normalize of TensorFlow 1.15."""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.math.arithmetic import abs as abs_
from dflow.ops.math.arithmetic import maximum, multiply
from dflow.ops.math.powers import rsqrt, square
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.blocks import named

__all__ = ["l2_normalize"]


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None) -> Tensor:
    """x / sqrt(max(sum(|x|²) along the axes, epsilon)).  Floating or complex; dim: an older name of `axis`.

    ValueError for both names.
    """
    if axis is not None and dim is not None:
        raise ValueError("Cannot specify both 'axis' and 'dim'")
    with named(name, "l2_normalize", (x,)) as scope:
        x = convert_to_tensor(x, name="x")
        squares = square(abs_(x)) if x.dtype.is_complex else square(x)
        total = reduce_sum(squares, dim if axis is None else axis, keepdims=True)
        factor = rsqrt(maximum(total, convert_to_tensor(epsilon, total.dtype)))
        return multiply(x, cast(factor, x.dtype), name=scope)
