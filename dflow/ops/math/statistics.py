"""Norms, variances and standard deviations along axes.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import DTypeError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.math.arithmetic import conj, multiply, subtract
from dflow.ops.math.complex import real
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import sqrt, square
from dflow.ops.math.reduction import reduce_mean
from dflow.ops.rules.arrays import is_complex, is_integral, namespace
from dflow.ops.rules.batching import along_axes
from dflow.ops.rules.like import only_first
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.reductions import Axis, number_spec, reduce, reduced_axes, spread_back
from dflow.registry import define

__all__ = ["reduce_euclidean_norm", "reduce_std", "reduce_variance"]


def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The square root of the sum of the squares along axes, in the dtype of the tensor.  Numbers."""
    return reduce("EuclideanNorm", input_tensor, axis, bool(keepdims), name, None, None)


def _norm_kernel(x: Any, axes: Any = None, *, axis: Axis, keepdims: bool) -> Any:
    xp = namespace(x)
    squares = xp.real(x * xp.conj(x)) if is_complex(x) else x * x
    total = xp.sum(squares, axis=reduced_axes(x, axes, axis), dtype=squares.dtype, keepdims=keepdims)
    norm = xp.sqrt(xp.astype(total, xp.float64) if is_integral(total) else total)
    return xp.astype(norm, x.dtype)


def _norm_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, multiply(op.inputs[0], spread_back(op, realdiv(dy, op.outputs[0]))))


define("EuclideanNorm", spec=number_spec, kernel=_norm_kernel, gradient=_norm_gradient, batch=along_axes)


def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The mean of the squared distances to the mean, along axes: a real number.  Floating or complex."""
    with scope_of((input_tensor,), name, "reduce_variance"):
        x = convert_to_tensor(input_tensor)
        if x.dtype.is_integer:
            raise DTypeError(f"Input must be either real or complex, got {x.dtype.name}; cast() it to a floating dtype")
        distance = subtract(x, reduce_mean(x, axis, keepdims=True))
        squares = real(multiply(distance, conj(distance))) if x.dtype.is_complex else square(distance)
        return reduce_mean(squares, axis, keepdims=keepdims)


def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The square root of `reduce_variance`."""
    with scope_of((input_tensor,), name, "reduce_std"):
        return sqrt(reduce_variance(input_tensor, axis, keepdims))
