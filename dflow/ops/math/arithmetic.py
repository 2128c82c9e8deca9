"""Sums, differences, products and signs, elementwise.

Every op broadcasts as NumPy does and keeps the dtype of its operands.  Operands have one dtype; a Python or
NumPy value beside a tensor takes the tensor's.  Nothing is promoted, as in TensorFlow 1: DTypeError names both dtypes.
Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.dtypes import complex64, complex128, float32, float64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import zeros_like
from dflow.ops.math.compare import greater_equal, less_equal, where
from dflow.ops.rules.arrays import as_text, is_complex, is_text, namespace, pairwise
from dflow.ops.rules.batching import Attrs, Kernel, each, elementwise, step_shapes
from dflow.ops.rules.elementwise import back_to_operands, binary, numbers, real, unary
from dflow.ops.rules.entries import of_entries
from dflow.ops.rules.static import as_tensor, only, same_dtype
from dflow.registry import define
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = [
    "abs",
    "add",
    "add_n",
    "conj",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "sign",
    "squared_difference",
    "subtract",
]


def chain(dy: Tensor, derivative: Tensor) -> Tensor:
    """The chain rule: dy times the conjugate of the derivative."""
    return multiply(dy, conj(derivative))


# -- two operands


def add(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x + y.  Numbers, or strings, which are joined."""
    return binary("Add", x, y, name)


def _add_spec(x: TensorSpec, y: TensorSpec) -> TensorSpec:
    same_dtype(x, y)
    only(x, not x.dtype.is_bool, "numbers and strings")
    return TensorSpec(broadcast(x.shape, y.shape), x.dtype)


def _add_kernel(x: Any, y: Any, out: Any = None) -> Any:
    total = pairwise("add", x, y, out)
    return as_text(total) if is_text(x) else total


define(
    "Add",
    spec=_add_spec,
    kernel=_add_kernel,
    gradient=lambda op, dy: back_to_operands(op, dy, dy),
    batch=elementwise,
    owns_outputs=True,
    inplace=(0, 1),
)


def subtract(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x - y.  Numbers."""
    return binary("Sub", x, y, name)


define(
    "Sub",
    spec=numbers,
    kernel=lambda x, y, out=None: pairwise("subtract", x, y, out),
    gradient=lambda op, dy: back_to_operands(op, dy, negative(dy)),
    batch=elementwise,
    owns_outputs=True,
    inplace=(0, 1),
)


def multiply(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y.  Numbers."""
    return binary("Mul", x, y, name)


define(
    "Mul",
    spec=numbers,
    kernel=lambda x, y, out=None: pairwise("multiply", x, y, out),
    gradient=lambda op, dy: back_to_operands(op, chain(dy, op.inputs[1]), chain(dy, op.inputs[0])),
    batch=elementwise,
    owns_outputs=True,
    inplace=(0, 1),
)


def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """(x - y) * conj(x - y).  Numbers."""
    return binary("SquaredDifference", x, y, name)


def _squared_difference_kernel(x: Any, y: Any) -> Any:
    difference = pairwise("subtract", x, y)
    return difference * (namespace(x).conj(difference) if is_complex(difference) else difference)


def _squared_difference_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    dx = multiply(multiply(dz, 2), subtract(op.inputs[0], op.inputs[1]))
    return back_to_operands(op, dx, negative(dx))


define(
    "SquaredDifference",
    spec=numbers,
    kernel=_squared_difference_kernel,
    gradient=_squared_difference_gradient,
    batch=elementwise,
)


def maximum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The larger of x and y.  Real numbers.  Where they are equal the gradient goes to x."""
    return binary("Maximum", x, y, name)


def minimum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The smaller of x and y.  Real numbers.  Where they are equal the gradient goes to x."""
    return binary("Minimum", x, y, name)


def _choice_gradient(compare: Callable[..., Tensor]) -> Callable[..., Any]:
    def gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
        first, nothing = compare(op.inputs[0], op.inputs[1]), zeros_like(dz)
        return back_to_operands(op, where(first, dz, nothing), where(first, nothing, dz))

    return gradient


define(
    "Maximum",
    spec=real,
    kernel=lambda x, y: pairwise("maximum", x, y),
    gradient=_choice_gradient(greater_equal),
    batch=elementwise,
)
define(
    "Minimum",
    spec=real,
    kernel=lambda x, y: pairwise("minimum", x, y),
    gradient=_choice_gradient(less_equal),
    batch=elementwise,
)


# -- one operand


@of_entries
def negative(x: Any, name: str | None = None) -> Tensor:
    """-x.  Numbers."""
    return unary("Neg", x, name)


define(
    "Neg",
    spec=numbers,
    kernel=lambda x: namespace(x).negative(x),
    gradient=lambda op, dy: negative(dy),
    batch=elementwise,
)


def conj(x: Any, name: str | None = None) -> Tensor:
    """The complex conjugate of x; a real tensor as it is.  Numbers."""
    tensor = convert_to_tensor(x)
    only(tensor.spec, tensor.dtype.is_numeric, "numbers")
    return unary("Conj", tensor, name) if tensor.dtype.is_complex else tensor


define(
    "Conj",
    spec=numbers,
    kernel=lambda x: namespace(x).conj(x),
    gradient=lambda op, dy: conj(dy),
    batch=elementwise,
)


@of_entries
def abs(x: Any, name: str | None = None) -> Tensor:
    """The absolute value of x.  Numbers; that of a complex number is real."""
    return unary("Abs", x, name)


def _abs_spec(x: TensorSpec) -> TensorSpec:
    return TensorSpec(numbers(x).shape, _PARTS.get(x.dtype, x.dtype))


_PARTS = {complex64: float32, complex128: float64}

define(
    "Abs",
    spec=_abs_spec,
    kernel=lambda x: namespace(x).abs(x),
    gradient=lambda op, dy: multiply(cast(dy, op.inputs[0].dtype), sign(op.inputs[0])),
    batch=elementwise,
)


@of_entries
def sign(x: Any, name: str | None = None) -> Tensor:
    """-1, 0 or 1 as x is negative, zero or positive; of a complex x, x / abs(x).  Numbers.

    The gradient is 0, but for complex numbers.
    """
    return unary("Sign", x, name)


def _sign_gradient(op: Operation, dy: Tensor) -> Tensor:
    """0 for real numbers; for complex ones (dy - conj(dy) * sign(x)**2) / (2 * abs(x)), and 0 at 0."""
    if not dy.dtype.is_complex:
        return zeros_like(dy)
    x, y = op.inputs[0], op.outputs[0]
    unit = abs(y)  # 0 at 0, and 1 elsewhere
    size = add(abs(x), 1 - unit)
    turned = subtract(dy, multiply(conj(dy), multiply(y, y)))
    return multiply(turned, cast(multiply(unit, add_op("Reciprocal", multiply(size, 2))), dy.dtype))


define(
    "Sign",
    spec=numbers,
    kernel=lambda x: namespace(x).sign(x),
    gradient=_sign_gradient,
    batch=elementwise,
)


# -- several operands


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of tensors of one dtype and one shape, which do not broadcast.  ValueError for an empty list."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of at least one Tensor with the same dtype and shape")
    tensors = [as_tensor(item, beside=inputs) for item in inputs]
    if len(tensors) == 1 and name is None:
        return tensors[0]
    result: Tensor = add_op("AddN", *tensors, name=name)
    return result


def _add_n_spec(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    same_dtype(x, *others)
    only(x, x.dtype.is_numeric, "numbers")
    merged = x.shape
    for other in others:
        merged = merged.merge_with(other.shape)
    return TensorSpec(merged, x.dtype)


def _add_n_kernel(x: Any, *others: Any) -> Any:
    for other in others:
        if tuple(other.shape) != tuple(x.shape):
            raise InvalidArgumentError(
                None,
                None,
                f"Inputs to operation AddN must have the same size and shape: {list(x.shape)} and {list(other.shape)}",
            )
    if not others:
        return namespace(x).asarray(x, copy=True)
    total = x + others[0]
    for other in others[1:]:
        total += other
    return total


def _add_n_batch(kernel: Kernel, arrays: Any, batched: Any, attrs: Attrs) -> Any:
    if len(set(step_shapes(arrays, batched))) > 1:
        return each(kernel, arrays, batched, attrs)
    return sum(arrays[1:], arrays[0])


define(
    "AddN",
    spec=_add_n_spec,
    kernel=_add_n_kernel,
    gradient=lambda op, dy: [dy] * len(op.inputs),
    batch=_add_n_batch,
    owns_outputs=True,
)
