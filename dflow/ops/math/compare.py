"""Comparisons, logic, and the choice between two tensors.

Source: math_ops and array_ops.where of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import bool_, to_array
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.fill import zeros_like
from dflow.ops.rules.arrays import is_text, namespace, pairwise
from dflow.ops.rules.batching import Attrs, Kernel, aligned, each, elementwise, step_shapes
from dflow.ops.rules.elementwise import binary, floating, unary
from dflow.ops.rules.static import is_symbolic, only, operands, same_dtype, spec_of
from dflow.registry import define, no_gradient
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "is_finite",
    "is_inf",
    "is_nan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "where",
]

# -- comparisons: bool, broadcast; no gradient


def equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x == y, elementwise.  x, y: any dtype, the same; shapes broadcast -> bool."""
    return binary("Equal", x, y, name)


def not_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x != y, elementwise.  x, y: any dtype, the same; shapes broadcast -> bool."""
    return binary("NotEqual", x, y, name)


def less(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x < y, elementwise.  x, y: real numbers of one dtype; shapes broadcast -> bool."""
    return binary("Less", x, y, name)


def less_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x <= y, elementwise.  x, y: real numbers of one dtype; shapes broadcast -> bool."""
    return binary("LessEqual", x, y, name)


def greater(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x > y, elementwise.  x, y: real numbers of one dtype; shapes broadcast -> bool."""
    return binary("Greater", x, y, name)


def greater_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x >= y, elementwise.  x, y: real numbers of one dtype; shapes broadcast -> bool."""
    return binary("GreaterEqual", x, y, name)


def _equal_spec(x: TensorSpec, y: TensorSpec) -> TensorSpec:
    same_dtype(x, y)
    return TensorSpec(broadcast(x.shape, y.shape), bool_)


def _order_spec(x: TensorSpec, y: TensorSpec) -> TensorSpec:
    same_dtype(x, y)
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return TensorSpec(broadcast(x.shape, y.shape), bool_)


def _compare(kind: str, function: str, spec: Callable[..., TensorSpec]) -> None:
    def kernel(x: Any, y: Any) -> Any:
        result = pairwise(function, x, y)
        return result if not is_text(x) else result.astype(bool)

    define(kind, spec=spec, kernel=kernel, gradient=no_gradient("it is a step function"), batch=elementwise)


_compare("Equal", "equal", _equal_spec)
_compare("NotEqual", "not_equal", _equal_spec)
_compare("Less", "less", _order_spec)
_compare("LessEqual", "less_equal", _order_spec)
_compare("Greater", "greater", _order_spec)
_compare("GreaterEqual", "greater_equal", _order_spec)

# -- logic


def truths(value: Any) -> Any:
    """A bool argument: an empty list has no dtype of its own, and an array is cast."""
    if is_symbolic(value) or (not hasattr(value, "dtype") and np.size(value)):
        return value
    return to_array(value, bool_)


def logical_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x and y, elementwise.  bool; shapes broadcast."""
    return binary("LogicalAnd", truths(x), truths(y), name)


def logical_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x or y, elementwise.  bool; shapes broadcast."""
    return binary("LogicalOr", truths(x), truths(y), name)


def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """Either x or y, elementwise.  bool; shapes broadcast."""
    x, y = operands((truths(x), truths(y)), kind="LogicalXor")
    only(x.spec, x.dtype.is_bool, "bool")
    return not_equal(x, y, name=name)


def logical_not(x: Any, name: str | None = None) -> Tensor:
    """not x, elementwise.  bool."""
    return unary("LogicalNot", truths(x), name)


def _logical_spec(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    same_dtype(x, *others)
    only(x, x.dtype.is_bool, "bool")
    return TensorSpec(broadcast(x.shape, *(other.shape for other in others)), bool_)


_LOGIC = no_gradient("it is a step function")

define(
    "LogicalAnd",
    spec=_logical_spec,
    kernel=lambda x, y: pairwise("logical_and", x, y),
    gradient=_LOGIC,
    batch=elementwise,
)
define(
    "LogicalOr",
    spec=_logical_spec,
    kernel=lambda x, y: pairwise("logical_or", x, y),
    gradient=_LOGIC,
    batch=elementwise,
)
define(
    "LogicalNot",
    spec=_logical_spec,
    kernel=lambda x: namespace(x).logical_not(x),
    gradient=_LOGIC,
    batch=elementwise,
)

# -- kinds of floating numbers


def is_nan(x: Any, name: str | None = None) -> Tensor:
    """True where x is NaN, elementwise.  floating -> bool."""
    return unary("IsNan", x, name)


def is_inf(x: Any, name: str | None = None) -> Tensor:
    """True where x is infinite, elementwise.  floating -> bool."""
    return unary("IsInf", x, name)


def is_finite(x: Any, name: str | None = None) -> Tensor:
    """True where x is neither infinite nor NaN, elementwise.  floating -> bool."""
    return unary("IsFinite", x, name)


def _floating_test_spec(x: TensorSpec) -> TensorSpec:
    return TensorSpec(floating(x).shape, bool_)


define("IsNan", spec=_floating_test_spec, kernel=lambda x: namespace(x).isnan(x), gradient=_LOGIC, batch=elementwise)
define("IsInf", spec=_floating_test_spec, kernel=lambda x: namespace(x).isinf(x), gradient=_LOGIC, batch=elementwise)
define(
    "IsFinite", spec=_floating_test_spec, kernel=lambda x: namespace(x).isfinite(x), gradient=_LOGIC, batch=elementwise
)

# -- where


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """x where the condition is true, else y, elementwise; without x and y: the places where it is true.

    condition: bool.  x, y: any dtype, the same, and one shape.  The condition has that shape, or it is a scalar, or a
    vector that chooses among the rows of x and y.
    `where(condition)`, of bool or of numbers, which are true if they are not 0 -> int64 [n, rank], one row of indices
    for each true value, in row-major order.
    Source: tf.where of TensorFlow 1, which does not broadcast.
    """
    result: Tensor
    if x is None and y is None:
        result = add_op("Where", condition, name=name)
        return result
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    if not is_symbolic(x) and not is_symbolic(y) and is_symbolic(condition):
        with condition.graph.as_default():
            pair = operands((x, y), ("t", "e"), "Select")
    else:
        pair = operands((x, y), ("t", "e"), "Select")
    result = add_op("Select", truths(condition), *pair, name=name)
    return result


def _select_spec(condition: TensorSpec, x: TensorSpec, y: TensorSpec) -> TensorSpec:
    only(condition, condition.dtype.is_bool, "a bool as its condition")
    same_dtype(x, y)
    both = x.shape.merge_with(y.shape)
    if condition.shape.ndims == 1 and both.ndims != 1:
        if both.ndims == 0:
            raise ShapeError(f"the condition is {condition.shape}, x and y are scalars")
        both[:1].merge_with(condition.shape)  # a choice among rows
    elif condition.shape.ndims not in (0, None):
        both = both.merge_with(condition.shape)
    return TensorSpec(both, x.dtype)


def _select_kernel(condition: Any, x: Any, y: Any) -> Any:
    if tuple(x.shape) != tuple(y.shape):
        raise InvalidArgumentError(
            None, None, f"'then' and 'else' must have the same size, but received: {list(x.shape)} vs. {list(y.shape)}"
        )
    xp = namespace(x, y)
    if condition.ndim and tuple(condition.shape) != tuple(x.shape):
        if condition.ndim != 1 or x.ndim < 1 or condition.shape[0] != x.shape[0]:
            raise InvalidArgumentError(
                None,
                None,
                f"the condition's shape {list(condition.shape)} is not that of x and y, {list(x.shape)}, "
                "nor the number of their rows",
            )
        condition = namespace(condition).reshape(condition, (-1, *(1,) * (x.ndim - 1)))
    return xp.where(condition, x, y)


def _select_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    condition, x, y = arrays
    chosen, shape, other = step_shapes(arrays, batched)
    if shape != other or chosen not in ((), shape, shape[:1]):
        return each(kernel, arrays, batched, attrs)
    if len(chosen) < len(shape) and chosen:  # for rows: give it the axes that the rows have
        condition = namespace(condition).reshape(condition, (*condition.shape, *(1,) * (len(shape) - 1)))
    condition, x, y = aligned((condition, x, y), batched)
    return namespace(x, y).where(condition, x, y)


def _select_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    condition = op.inputs[0]
    nothing = zeros_like(dy)
    return None, where(condition, dy, nothing), where(condition, nothing, dy)


define("Select", spec=_select_spec, kernel=_select_kernel, gradient=_select_gradient, batch=_select_batch)


def _where_spec(condition: TensorSpec) -> TensorSpec:
    only(condition, condition.dtype.name != "string", "bool and numbers")
    if condition.shape.ndims == 0:
        raise ShapeError("a scalar has no places; use reshape() or expand_dims()")
    return spec_of([None, condition.shape.ndims], "int64")


def _where_kernel(condition: Any) -> Any:
    xp = namespace(condition)
    if condition.ndim == 0:
        raise InvalidArgumentError(None, None, "a scalar has no places; use reshape() or expand_dims()")
    return xp.astype(xp.stack(xp.nonzero(condition), axis=1), xp.int64)


define("Where", spec=_where_spec, kernel=_where_kernel, gradient=no_gradient("an index is an integer"), batch=each)
