"""Running sums and products, and running sums of exponentials.

Source: math_ops of TensorFlow 1.15; cumulative_logsumexp of later versions.
"""

from __future__ import annotations

from typing import Any

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.fill import ones_like
from dflow.ops.math.arithmetic import chain, conj, multiply, negative, subtract
from dflow.ops.math.compare import greater, less, where
from dflow.ops.math.division import realdiv
from dflow.ops.math.powers import exp, log
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.batching import along_axes
from dflow.ops.rules.late import late, late_rules
from dflow.ops.rules.libraries import is_numpy_like, narrowed, through_numpy, widened
from dflow.ops.rules.like import only_first
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import only, operands
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["cumprod", "cumsum", "cumulative_logsumexp"]


def cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """The sum of the values up to each one along an axis, a number or a tensor.  Numbers.

    exclusive: without the value itself; reverse: from the end.
    """
    return _running("Cumsum", x, axis, exclusive, reverse, name)


def cumprod(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """The product of the values up to each one along an axis, a number or a tensor.  Numbers.

    exclusive: without the value itself; reverse: from the end.  The gradient is NaN for zeros, as in TensorFlow.
    """
    return _running("Cumprod", x, axis, exclusive, reverse, name)


def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """log(cumsum(exp(x))) without overflow, along an axis, a number or a tensor.  Floating.

    exclusive: without the value itself: -inf for the first one; reverse: from the end.
    """
    return _running("CumulativeLogsumexp", x, axis, exclusive, reverse, name)


def _running(kind: str, x: Any, axis: Any, exclusive: bool, reverse: bool, name: str | None) -> Tensor:
    with scope_of((x, axis), name, kind) as scope:
        (x,) = operands((x,), ("x",))
        place, inputs = late(axis)
        result: Tensor = add_op(
            kind, x, *inputs, name=scope, axis=place, exclusive=bool(exclusive), reverse=bool(reverse)
        )
        return result


# -- rules


def _spec(x: TensorSpec, axis: int, exclusive: bool, reverse: bool) -> TensorSpec:
    """An axis that x does not have is an error at run time, as in TensorFlow."""
    return _numbers_spec(x)


def _numbers_spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_numeric, "numbers")
    return x


def _floating_spec(x: TensorSpec, axis: int, exclusive: bool, reverse: bool) -> TensorSpec:
    return _spec(_floats_spec(x), axis, exclusive, reverse)


def _floats_spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    return x


def _scan_axis(x: Any, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(
            None, None, f"ScanOp: Expected scan axis in the range [{-x.ndim}, {x.ndim}), but got {axis}"
        )
    return axis % int(x.ndim)


def _kernel_of(function: str) -> Any:
    """A kernel of a function of the namespace that has the argument `include_initial`."""

    def kernel(x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
        xp = namespace(x)
        axis = _scan_axis(x, axis)
        values = xp.flip(x, axis=axis) if reverse else x
        total = getattr(xp, function)(values, axis=axis, dtype=x.dtype, include_initial=exclusive)
        if exclusive:
            total = total[_first(axis, x.shape[axis])]
        return xp.flip(total, axis=axis) if reverse else total

    return kernel


def _first(axis: int, count: int) -> tuple[Any, ...]:
    """An index: the first `count` places along an axis."""
    return *(slice(None) for _ in range(axis)), slice(0, count), ...


def _logsumexp_kernel(x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    if not is_numpy_like(x):
        return through_numpy(lambda array: _logsumexp_kernel(array, axis, exclusive, reverse), x)
    xp = namespace(x)
    axis = _scan_axis(x, axis)
    values = widened(xp.flip(x, axis=axis) if reverse else x)
    if exclusive and x.shape[axis]:
        nothing = xp.full_like(values[_first(axis, 1)], -xp.inf)
        values = xp.concat([nothing, values[_first(axis, x.shape[axis] - 1)]], axis=axis)
    total = xp.logaddexp.accumulate(values, axis=axis) if hasattr(xp.logaddexp, "accumulate") else _scan(values, axis)
    return narrowed(xp.flip(total, axis=axis) if reverse else total, x)


def _scan(values: Any, axis: int) -> Any:
    """The running log of sums for CuPy, whose `logaddexp` cannot accumulate: each step doubles how far it reaches."""
    xp, length = namespace(values), 1
    while length < values.shape[axis]:
        before, behind = values[_first(axis, values.shape[axis] - length)], [slice(None)] * values.ndim
        behind[axis] = slice(length, None)
        later = xp.logaddexp(values[tuple(behind)], before)
        values = xp.concat([values[_first(axis, length)], later], axis=axis)
        length *= 2
    return values


# -- gradients


def _again(op: Operation, kind: str, x: Tensor, **changed: bool) -> Tensor:
    """The running operation of `kind` along the same axis."""
    result: Tensor = add_op(kind, x, *op.inputs[1:], **{**op.attrs, **changed})
    return result


def _cumsum_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    return only_first(op, _again(op, "Cumsum", dy, reverse=not op.attrs["reverse"]))


def _cumprod_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    total = _again(op, "Cumsum", chain(dy, op.outputs[0]), reverse=not op.attrs["reverse"])
    return only_first(op, realdiv(total, conj(op.inputs[0])))


def _logsumexp_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    """exp(x) * (the running sum of dy / exp(y)), where the positive and the negative dy are summed as logarithms."""
    x, y = op.inputs[0], op.outputs[0]
    nothing = multiply(ones_like(dy), float(dy.dtype.min))

    def part(chosen: Tensor, size: Tensor) -> Tensor:
        logarithm = where(chosen, log(where(chosen, size, ones_like(size))), nothing)
        running = _again(op, "CumulativeLogsumexp", subtract(logarithm, y), reverse=not op.attrs["reverse"])
        return exp(running + x)

    return only_first(op, subtract(part(greater(dy, 0), dy), part(less(dy, 0), negative(dy))))


define(
    "Cumsum",
    **late_rules("axis", spec=_spec, unknown=_numbers_spec, kernel=_kernel_of("cumulative_sum"), batch=along_axes),
    gradient=_cumsum_gradient,
)
define(
    "Cumprod",
    **late_rules("axis", spec=_spec, unknown=_numbers_spec, kernel=_kernel_of("cumulative_prod"), batch=along_axes),
    gradient=_cumprod_gradient,
)
define(
    "CumulativeLogsumexp",
    **late_rules("axis", spec=_floating_spec, unknown=_floats_spec, kernel=_logsumexp_kernel, batch=along_axes),
    gradient=_logsumexp_gradient,
)
