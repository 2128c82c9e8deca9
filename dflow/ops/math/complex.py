"""Complex numbers and their parts, elementwise.

Source: math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import math
from typing import Any

from dflow.dtypes import DType, complex64, complex128, float32, float64
from dflow.errors import DTypeError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.math.arithmetic import multiply, negative
from dflow.ops.math.compare import less, where
from dflow.ops.math.powers import reciprocal
from dflow.ops.rules.arrays import broadcasting, namespace
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.elementwise import back_to_operands
from dflow.ops.rules.libraries import is_numpy_like, through_numpy
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import only, operands, same_dtype
from dflow.registry import define
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = ["angle", "complex", "imag", "real"]

_PARTS: dict[DType, DType] = {complex64: float32, complex128: float64}
_WHOLES = {part: whole for whole, part in _PARTS.items()}


def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """real + 1j * imag.  Both float32 -> complex64, or both float64 -> complex128; shapes broadcast.

    DTypeError for other dtypes.
    """
    with scope_of((real, imag), name, "Complex") as scope:
        real, imag = convert_to_tensor(real, name="real"), convert_to_tensor(imag, name="imag")
        if real.dtype != imag.dtype or real.dtype not in _WHOLES:
            raise DTypeError(
                f"real and imag have incorrect types: {real.dtype.name} {imag.dtype.name}; "
                "both have to be float32, or both float64"
            )
        tensor: Tensor = named("Complex", (real, imag), (), scope)
        return tensor


def real(input: Any, name: str | None = None) -> Tensor:
    """The real part of a complex tensor; a tensor of real numbers itself."""
    part = _part("Real", input, name)
    return _as_tensor(input) if part is None else part


def imag(input: Any, name: str | None = None) -> Tensor:
    """The imaginary part of a complex tensor; zeros for a tensor of real numbers."""
    part = _part("Imag", input, name)
    return zeros_like(_as_tensor(input)) if part is None else part


def angle(input: Any, name: str | None = None) -> Tensor:
    """The angle of a complex number in the plane, in (-pi, pi]; of a floating one 0, or pi if it is negative; of an
    integer 0."""
    found = _part("Angle", input, name)
    if found is not None:
        return found
    x = _as_tensor(input)
    if not x.dtype.is_floating:
        return zeros_like(x)
    with scope_of((x,), name, "Angle") as scope:
        return where(less(x, x.dtype.zero), multiply(ones_like(x), math.pi), zeros_like(x), name=scope)


def _as_tensor(value: Any) -> Tensor:
    return operands((value,), ("input",))[0]


def _part(kind: str, value: Any, name: str | None) -> Tensor | None:
    """A part of a complex tensor; None for a tensor of another dtype."""
    tensor = value if isinstance(value, Tensor) else _as_tensor(value)
    only(tensor.spec, tensor.dtype.is_numeric, "numbers")
    return named(kind, (tensor,), ("input",), name) if tensor.dtype.is_complex else None


# -- rules


def _complex_spec(real: TensorSpec, imag: TensorSpec) -> TensorSpec:
    same_dtype(real, imag)
    only(real, real.dtype in _WHOLES, "float32 and float64")
    return TensorSpec(broadcast(real.shape, imag.shape), _WHOLES[real.dtype])


def _complex_kernel(real: Any, imag: Any) -> Any:
    """The parts are put side by side: `real + 1j * imag` makes NaN of an infinite part."""
    if not is_numpy_like(real):
        return through_numpy(_complex_kernel, real, imag)
    xp = namespace(real)
    x, y = broadcasting(xp.broadcast_arrays, real, imag)
    whole = xp.empty(x.shape, dtype=xp.complex64 if x.dtype == xp.float32 else xp.complex128)
    whole.real, whole.imag = x, y
    return whole


def _complex_gradient(op: Operation, dz: Tensor) -> tuple[Tensor | None, ...]:
    return back_to_operands(op, real(dz), imag(dz))


def _part_spec(z: TensorSpec) -> TensorSpec:
    only(z, z.dtype.is_complex, "complex numbers")
    return TensorSpec(z.shape, _PARTS[z.dtype])


def _angle_kernel(z: Any) -> Any:
    xp = namespace(z)
    return xp.atan2(xp.imag(z), xp.real(z))


def _angle_gradient(op: Operation, dy: Tensor) -> Tensor:
    z = op.inputs[0]
    inverse = reciprocal(complex(imag(z), real(z)))
    return multiply(negative(complex(dy, zeros_like(dy))), inverse)


define("Complex", spec=_complex_spec, kernel=_complex_kernel, gradient=_complex_gradient, batch=elementwise)
define(
    "Real",
    spec=_part_spec,
    kernel=lambda z: namespace(z).real(z),
    gradient=lambda op, dy: complex(dy, zeros_like(dy)),
    batch=elementwise,
)
define(
    "Imag",
    spec=_part_spec,
    kernel=lambda z: namespace(z).imag(z),
    gradient=lambda op, dy: complex(zeros_like(dy), dy),
    batch=elementwise,
)
define("Angle", spec=_part_spec, kernel=_angle_kernel, gradient=_angle_gradient, batch=elementwise)
