"""Arithmetic of two operands, elementwise: every op broadcasts as NumPy does and keeps the dtype of its operands.

Operands have one dtype; a Python or NumPy value beside a tensor takes the tensor's.  Nothing is promoted, as in
TensorFlow 1: DTypeError names both dtypes.
Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dflow.dtypes import DType, as_dtype, float32, float64
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array import zeros_like
from dflow.ops.arrays import as_text, dtype_in, is_complex, is_integral, is_text, namespace, pairwise
from dflow.ops.batching import elementwise
from dflow.ops.compare import greater_equal, less_equal, where
from dflow.ops.like import sum_like
from dflow.ops.static import binary, only, operands, same_dtype
from dflow.registry import define
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = [
    "add",
    "add_n",
    "cast",
    "clip_by_value",
    "conj",
    "div",
    "divide",
    "floor_div",
    "floordiv",
    "floormod",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "realdiv",
    "squared_difference",
    "subtract",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
    "truediv",
]

# -- rules that several ops share


def numbers(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    same_dtype(x, *others)
    only(x, x.dtype.is_numeric, "numbers")
    return TensorSpec(broadcast(x.shape, *(other.shape for other in others)), x.dtype)


def real(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_numeric and not x.dtype.is_complex, "real numbers")
    return numbers(x, *others)


def floating(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_floating, "floating numbers")
    return numbers(x, *others)


def inexact(x: TensorSpec, *others: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_floating or x.dtype.is_complex, "floating and complex numbers")
    return numbers(x, *others)


def back_to_operands(op: Operation, dx: Tensor | None, dy: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of a broadcasting op, summed back to the shapes of its operands."""
    x, y = op.inputs
    return None if dx is None else sum_like(dx, x), None if dy is None else sum_like(dy, y)


def chain(dy: Tensor, derivative: Tensor) -> Tensor:
    """The chain rule: dy times the conjugate of the derivative."""
    return multiply(dy, conj(derivative))


def unary(kind: str, x: Any, name: str | None) -> Tensor:
    tensor: Tensor = add_op(kind, x, name=name)
    return tensor


# -- two operands


def add(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x + y.  Numbers, or strings, which are joined."""
    return binary("Add", x, y, name)


def _add_spec(x: TensorSpec, y: TensorSpec) -> TensorSpec:
    same_dtype(x, y)
    only(x, not x.dtype.is_bool, "numbers and strings")
    return TensorSpec(broadcast(x.shape, y.shape), x.dtype)


def _add_kernel(x: Any, y: Any) -> Any:
    total = pairwise("add", x, y)
    return as_text(total) if is_text(x) else total


define(
    "Add", spec=_add_spec, kernel=_add_kernel, gradient=lambda op, dy: back_to_operands(op, dy, dy), batch=elementwise
)


def subtract(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x - y.  Numbers."""
    return binary("Sub", x, y, name)


define(
    "Sub",
    spec=numbers,
    kernel=lambda x, y: pairwise("subtract", x, y),
    gradient=lambda op, dy: back_to_operands(op, dy, negative(dy)),
    batch=elementwise,
)


def multiply(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x * y.  Numbers."""
    return binary("Mul", x, y, name)


define(
    "Mul",
    spec=numbers,
    kernel=lambda x, y: pairwise("multiply", x, y),
    gradient=lambda op, dy: back_to_operands(op, chain(dy, op.inputs[1]), chain(dy, op.inputs[0])),
    batch=elementwise,
)


def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, the true quotient: of integers too, see `truediv`."""
    return truediv(x, y, name)


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y.  int8, int16, uint8 and uint16 are divided as float32, larger integers as float64."""
    x, y = operands((x, y), ("x", "y"), "RealDiv")
    same_dtype(x.spec, y.spec)
    if x.dtype.is_integer:
        target = float32 if x.dtype.size <= 2 else float64
        x, y = cast(x, target), cast(y, target)
    return binary("RealDiv", x, y, name or "truediv")


def realdiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y.  Floating or complex."""
    return binary("RealDiv", x, y, name)


def _realdiv_gradient(op: Operation, dy: Tensor) -> tuple[Tensor | None, ...]:
    y, z = op.inputs[1], op.outputs[0]
    return back_to_operands(op, realdiv(dy, conj(y)), negative(chain(dy, realdiv(z, y))))


define(
    "RealDiv",
    spec=inexact,
    kernel=lambda x, y: pairwise("divide", x, y),
    gradient=_realdiv_gradient,
    batch=elementwise,
)


def _integer_divisor(y: Any) -> None:
    """InvalidArgumentError for an integer 0 among the divisors."""
    xp = namespace(y)
    if is_integral(y) and not bool(xp.all(y != 0)):
        raise InvalidArgumentError(None, None, "Integer division by zero")


def _floordiv_kernel(x: Any, y: Any) -> Any:
    _integer_divisor(y)
    return pairwise("floor_divide", x, y)


def _floormod_kernel(x: Any, y: Any) -> Any:
    _integer_divisor(y)
    return pairwise("remainder", x, y)


def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The largest integer up to x / y, in the dtype of the operands.  Real numbers.

    InvalidArgumentError at run time for an integer division by zero.
    """
    return binary("FloorDiv", x, y, name or "floordiv")


floor_div = floordiv


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y for floating numbers, `floordiv` for integers: what Python 2 did."""
    x, y = operands((x, y), ("x", "y"), "div")
    return floordiv(x, y, name or "div") if x.dtype.is_integer else realdiv(x, y, name or "div")


def floormod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x - y * floordiv(x, y): the remainder, which has the sign of y.  Real numbers.

    InvalidArgumentError at run time for an integer division by zero.
    """
    return binary("FloorMod", x, y, name)


mod = floormod

define("FloorDiv", spec=real, kernel=_floordiv_kernel, gradient=lambda op, dy: (None, None), batch=elementwise)
define(
    "FloorMod",
    spec=real,
    kernel=_floormod_kernel,
    gradient=lambda op, dy: back_to_operands(op, dy, negative(multiply(dy, floordiv(op.inputs[0], op.inputs[1])))),
    batch=elementwise,
)


def squared_difference(x: Any, y: Any, name: str | None = None) -> Tensor:
    """(x - y) * (x - y).  Real numbers."""
    return binary("SquaredDifference", x, y, name)


def _squared_difference_kernel(x: Any, y: Any) -> Any:
    difference = pairwise("subtract", x, y)
    return difference * difference


def _squared_difference_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    dx = multiply(dz, multiply(2, subtract(op.inputs[0], op.inputs[1])))
    return back_to_operands(op, dx, negative(dx))


define(
    "SquaredDifference",
    spec=real,
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

# -- one operand, as the others need it


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
    """The complex conjugate of x; a real tensor as it is."""
    tensor = convert_to_tensor(x)
    return unary("Conj", tensor, name) if tensor.dtype.is_complex else tensor


define(
    "Conj",
    spec=numbers,
    kernel=lambda x: namespace(x).conj(x),
    gradient=lambda op, dy: conj(dy),
    batch=elementwise,
)

# -- other dtypes


def cast(x: Any, dtype: Any, name: str | None = None) -> Tensor:
    """x in another dtype: floating numbers lose their fraction on the way to integers, numbers become `x != 0`.

    Strings are no numbers: decode them.
    """
    target = as_dtype(dtype)
    tensor = convert_to_tensor(x)
    if tensor.dtype == target and name is None:
        return tensor
    result: Tensor = add_op("Cast", tensor, name=name, dtype=target)
    return result


def _cast_spec(x: TensorSpec, dtype: DType) -> TensorSpec:
    only(x, x.dtype.name != "string", f"numbers and bool to cast to {dtype.name}; decode strings")
    only(TensorSpec(x.shape, dtype), dtype.name != "string", f"numbers and bool to cast {x.dtype.name} to")
    return TensorSpec(x.shape, dtype)


def _cast_kernel(x: Any, dtype: DType) -> Any:
    xp = namespace(x)
    if not dtype.is_complex and is_complex(x):
        x = xp.real(x)
    return xp.astype(x, dtype_in(xp, dtype), copy=False)


def _cast_gradient(op: Operation, dy: Tensor) -> Tensor | None:
    source = op.inputs[0].dtype
    return cast(dy, source) if source.is_floating or source.is_complex else None


define("Cast", spec=_cast_spec, kernel=_cast_kernel, gradient=_cast_gradient, batch=elementwise)


def to_float(x: Any, name: str = "ToFloat") -> Tensor:
    """x as float32."""
    return cast(x, "float32", name=name)


def to_double(x: Any, name: str = "ToDouble") -> Tensor:
    """x as float64."""
    return cast(x, "float64", name=name)


def to_int32(x: Any, name: str = "ToInt32") -> Tensor:
    """x as int32."""
    return cast(x, "int32", name=name)


def to_int64(x: Any, name: str = "ToInt64") -> Tensor:
    """x as int64."""
    return cast(x, "int64", name=name)


# -- several operands


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of tensors of one dtype and one shape, which do not broadcast.  ValueError for an empty list."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of at least one Tensor with the same dtype and shape")
    tensors = operands(inputs, kind="AddN")
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
    total = x
    for other in others:
        total = total + other
    return total


def _add_n_batch(kernel: Any, arrays: Any, batched: Any, attrs: Any) -> Any:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return total


define(
    "AddN",
    spec=_add_n_spec,
    kernel=_add_n_kernel,
    gradient=lambda op, dy: [dy] * len(op.inputs),
    batch=_add_n_batch,
)


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """t, but not below `clip_value_min` and not above `clip_value_max`, which broadcast to the shape of t."""
    t = convert_to_tensor(t)
    return maximum(minimum(t, clip_value_max), clip_value_min, name=name or "clip_by_value")
