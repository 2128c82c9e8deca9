"""Numbers rounded as if they were stored in a few bits, with the gradient of a clipped identity.

The bounds are moved a little, so that 0 is one of the numbers that can be stored.
Source: array_ops (fake_quant_with_min_max_...) of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from array_api_compat import device

from dflow.dtypes import float32
from dflow.errors import InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import is_symbolic, only, same_dtype
from dflow.registry import define, no_gradient
from dflow.shapes import SCALAR, TensorShape
from dflow.specs import TensorSpec

__all__ = [
    "fake_quant_with_min_max_args",
    "fake_quant_with_min_max_args_gradient",
    "fake_quant_with_min_max_vars",
    "fake_quant_with_min_max_vars_gradient",
    "fake_quant_with_min_max_vars_per_channel",
    "fake_quant_with_min_max_vars_per_channel_gradient",
]

# -- functions


def fake_quant_with_min_max_args(
    inputs: Any,
    min: float = -6.0,
    max: float = 6.0,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """The numbers, brought to [min, max] and to the nearest of 2**num_bits steps.  float32.

    num_bits: 2 to 16; narrow_range: one step less, so that as many are below the middle as above.
    ValueError for other bits and bounds that do not ascend.
    """
    attrs = {**_attrs(num_bits, narrow_range), **_bounds(min, max)}
    tensor: Tensor = _of_float32("FakeQuantWithMinMaxArgs", (inputs,), ("inputs",), name, **attrs)
    return tensor


def fake_quant_with_min_max_args_gradient(
    gradients: Any,
    inputs: Any,
    min: float = -6.0,
    max: float = 6.0,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """The gradient of `fake_quant_with_min_max_args` for its inputs: `gradients` where these are within the bounds."""
    attrs = {**_attrs(num_bits, narrow_range), **_bounds(min, max)}
    tensor: Tensor = _of_float32(
        "FakeQuantWithMinMaxArgsGradient", (gradients, inputs), ("gradients", "inputs"), name, **attrs
    )
    return tensor


def fake_quant_with_min_max_vars(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """As `fake_quant_with_min_max_args`, with scalar tensors as bounds.  Zeros if both bounds are 0.

    InvalidArgumentError at run time for bounds that do not ascend.
    """
    tensor: Tensor = _of_float32(
        "FakeQuantWithMinMaxVars", (inputs, min, max), _OPERANDS, name, **_attrs(num_bits, narrow_range)
    )
    return tensor


def fake_quant_with_min_max_vars_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `fake_quant_with_min_max_vars` for its inputs and for both bounds."""
    found = _of_float32(
        "FakeQuantWithMinMaxVarsGradient",
        (gradients, inputs, min, max),
        ("gradients", *_OPERANDS),
        name,
        **_attrs(num_bits, narrow_range),
    )
    return tuple(found)


def fake_quant_with_min_max_vars_per_channel(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """As `fake_quant_with_min_max_vars`, with bounds for each place of the last axis.

    inputs: [..., d]; min, max: [d].
    """
    tensor: Tensor = _of_float32(
        "FakeQuantWithMinMaxVarsPerChannel", (inputs, min, max), _OPERANDS, name, **_attrs(num_bits, narrow_range)
    )
    return tensor


def fake_quant_with_min_max_vars_per_channel_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `fake_quant_with_min_max_vars_per_channel` for its inputs and for both bounds."""
    found = _of_float32(
        "FakeQuantWithMinMaxVarsPerChannelGradient",
        (gradients, inputs, min, max),
        ("gradients", *_OPERANDS),
        name,
        **_attrs(num_bits, narrow_range),
    )
    return tuple(found)


_OPERANDS = ("inputs", "min", "max")


def _attrs(num_bits: int, narrow_range: bool) -> dict[str, Any]:
    if not 2 <= num_bits <= 16:
        raise ValueError(f"num_bits must be between 2 and 16, inclusive, got {num_bits}")
    return {"num_bits": int(num_bits), "narrow_range": bool(narrow_range)}


def _of_float32(kind: str, values: Sequence[Any], names: Sequence[str], name: str | None, **attrs: Any) -> Any:
    """An operation, whose operands that are no tensors become constants of float32."""
    with scope_of(values, name, kind) as scope:
        operands = [
            value if is_symbolic(value) else convert_to_tensor(value, float32, name=operand)
            for value, operand in zip(values, names, strict=True)
        ]
        return add_op(kind, *operands, name=scope, **attrs)


def _bounds(low: float, high: float) -> dict[str, float]:
    if not low < high:
        raise ValueError(f"min has to be smaller than max, was: {low} >= {high}")
    return {"min": float(low), "max": float(high)}


# -- kernels


class _Steps(NamedTuple):
    """The bounds that can be stored, and the distance of one number to the next."""

    low: Any
    high: Any
    scale: Any


def _steps(low: Any, high: Any, num_bits: int, narrow_range: bool) -> _Steps:
    """low, high: arrays of one shape."""
    xp = namespace(low, high)
    if not bool(xp.all(low <= high)):
        raise InvalidArgumentError(None, None, f"min has to be smaller than max, was: {low} and {high}")
    first, last = int(narrow_range), (1 << num_bits) - 1
    wide = xp.where(low == high, xp.ones_like(low), high - low)  # both 0: nothing is stored
    scale = wide / (last - first)
    zero = first - low / scale
    rounded = xp.clip(xp.floor(zero + 0.5), float(first), float(last))
    return _Steps((first - rounded) * scale, (last - rounded) * scale, scale)


def _quantized(x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> Any:
    xp, steps = namespace(x), _steps(low, high, num_bits, narrow_range)
    found = xp.minimum(xp.maximum(x, steps.low), steps.high)
    found -= steps.low
    found /= steps.scale
    found += 0.5
    found = xp.floor(found)
    found *= steps.scale
    found += steps.low
    unused = xp.logical_and(low == 0, high == 0)
    return xp.where(unused, xp.zeros_like(found), found) if bool(xp.any(unused)) else found


def _gradients(dy: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any]:
    """For the inputs, and for both bounds at each input."""
    xp, steps = namespace(x), _steps(low, high, num_bits, narrow_range)
    is_low, is_high = x < steps.low, x > steps.high
    nothing = xp.zeros_like(dy)
    unused = xp.logical_and(low == 0, high == 0)
    inside = xp.logical_or(unused, xp.logical_not(xp.logical_or(is_low, is_high)))
    clipped = xp.logical_not(unused)
    return (
        xp.where(inside, dy, nothing),
        xp.where(xp.logical_and(is_low, clipped), dy, nothing),
        xp.where(xp.logical_and(is_high, clipped), dy, nothing),
    )


def _number(x: Any, value: float) -> Any:
    return namespace(x).full((), value, dtype=x.dtype, device=device(x))


def _args_kernel(x: Any, min: float, max: float, num_bits: int, narrow_range: bool) -> Any:
    return _quantized(x, _number(x, min), _number(x, max), num_bits, narrow_range)


def _args_gradient_kernel(dy: Any, x: Any, min: float, max: float, num_bits: int, narrow_range: bool) -> Any:
    return _gradients(dy, x, _number(x, min), _number(x, max), num_bits, narrow_range)[0]


def _vars_gradient_kernel(dy: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, ...]:
    """The gradients of the bounds are summed over all axes that these do not have."""
    xp = namespace(x)
    dx, *of_bounds = _gradients(dy, x, low, high, num_bits, narrow_range)
    axes = tuple(range(x.ndim - low.ndim))
    return dx, *(xp.sum(it, axis=axes, dtype=it.dtype) for it in of_bounds)


# -- rules


def _args_spec(*specs: TensorSpec, **attrs: Any) -> TensorSpec:
    same_dtype(*specs)
    only(specs[0], specs[0].dtype == float32, "float32")
    shape = specs[0].shape
    for spec in specs[1:]:
        shape = shape.merge_with(spec.shape)
    return TensorSpec(shape, float32)


def _vars_spec(x: TensorSpec, low: TensorSpec, high: TensorSpec, **attrs: Any) -> TensorSpec:
    same_dtype(x, low, high)
    only(x, x.dtype == float32, "float32")
    low.shape.merge_with(SCALAR)
    high.shape.merge_with(SCALAR)
    return x


def _channels_spec(x: TensorSpec, low: TensorSpec, high: TensorSpec, **attrs: Any) -> TensorSpec:
    same_dtype(x, low, high)
    only(x, x.dtype == float32, "float32")
    if x.shape.ndims == 0:
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    bounds = low.shape.with_rank(1).merge_with(high.shape.with_rank(1))
    if x.shape.ndims is None:
        return x
    size = bounds.merge_with([x.shape[-1]])[0]
    return TensorSpec(TensorShape([*x.shape.known[:-1], size]), float32)


def _with_gradients(spec: Any) -> Any:
    """The rule of the gradients, from that of the operation."""

    def rule(dy: TensorSpec, x: TensorSpec, low: TensorSpec, high: TensorSpec, **attrs: Any) -> tuple[TensorSpec, ...]:
        same_dtype(dy, x)
        dx = spec(TensorSpec(x.shape.merge_with(dy.shape), x.dtype), low, high)
        return dx, low, high

    return rule


def _args_gradient(op: Operation, dy: Tensor) -> Tensor:
    result: Tensor = add_op("FakeQuantWithMinMaxArgsGradient", dy, op.inputs[0], **op.attrs)
    return result


def _gradients_of(op: Operation, dy: Tensor) -> Any:
    return add_op(f"{op.type}Gradient", dy, *op.inputs, **op.attrs)


_SECOND = no_gradient("it is a step function of the inputs")

define("FakeQuantWithMinMaxArgs", spec=_args_spec, kernel=checked(_args_spec, _args_kernel), gradient=_args_gradient)
define(
    "FakeQuantWithMinMaxArgsGradient",
    spec=_args_spec,
    kernel=checked(_args_spec, _args_gradient_kernel),
    gradient=_SECOND,
)
for _kind, _spec in [("Vars", _vars_spec), ("VarsPerChannel", _channels_spec)]:
    _name = f"FakeQuantWithMinMax{_kind}"
    define(_name, spec=_spec, kernel=checked(_spec, _quantized), gradient=_gradients_of)
    _rule = _with_gradients(_spec)
    define(f"{_name}Gradient", spec=_rule, kernel=checked(_rule, _vars_gradient_kernel), gradient=_SECOND)
