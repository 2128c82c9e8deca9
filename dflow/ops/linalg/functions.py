"""Functions of matrices: exponential, logarithm, square root.  SciPy computes them.

Their gradients are values of the same functions: of a block matrix [[a, d], [0, a]], the upper right block of f is the
derivative of f at a in the direction d (Mathias, 1996), and the gradient is that at adjoint(a).
Source: linalg_ops and linalg_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from dflow.graph import Operation, Tensor, add_op
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import zeros_like
from dflow.ops.array.shape import shape
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, through_numpy, widened
from dflow.ops.rules.matrices import floating_or_complex, square
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["expm", "logm", "sqrtm"]


def expm(input: Any, name: str | None = None) -> Tensor:
    """The exponential of each matrix: I + x + x @ x / 2! + ...: [..., n, n].  Floating or complex."""
    tensor: Tensor = named("MatrixExponential", (input,), ("input",), name or "matrix_exponential")
    return tensor


def logm(input: Any, name: str | None = None) -> Tensor:
    """The matrix whose exponential is x, for each x without eigenvalues up to 0: [..., n, n].  Complex.

    As in TensorFlow only complex matrices are accepted: the logarithm of a real one may be complex.
    """
    tensor: Tensor = named("MatrixLogarithm", (input,), ("input",), name)
    return tensor


def sqrtm(input: Any, name: str | None = None) -> Tensor:
    """The principal matrix y with y @ y = x, for each x that is invertible: [..., n, n].  Floating or complex.

    NaN where the root of a real matrix is complex.
    """
    tensor: Tensor = named("MatrixSquareRoot", (input,), ("input",), name)
    return tensor


def _spec(x: TensorSpec) -> TensorSpec:
    only(x, floating_or_complex(x), "floating and complex numbers")
    found = square(x)
    return TensorSpec(x.shape if x.shape.ndims is None else found.of(found.rows, found.rows), x.dtype)


def _complex_spec(x: TensorSpec) -> TensorSpec:
    only(x, x.dtype.is_complex, "complex numbers")
    return _spec(x)


def _of_each(function: str, x: Any) -> Any:
    """A function of SciPy of each matrix, in the dtype of the matrices."""
    import scipy.linalg

    found = np.empty_like(x)
    for place in np.ndindex(x.shape[:-2]):
        value = getattr(scipy.linalg, function)(x[place])
        found[place] = value if np.iscomplexobj(x) else _real(value)
    return found


def _real(value: Any) -> Any:
    """The real part of a value; NaN for one that is not real, but for rounding."""
    rest = np.abs(np.imag(value)).max(initial=0.0)
    return np.real(value) if rest <= 1e-6 * np.abs(value).max(initial=0.0) else np.nan


def _kernel(function: str, x: Any) -> Any:
    return narrowed(through_numpy(partial(_of_each, function), widened(x)), x)


def _gradient(op: Operation, dy: Tensor) -> Tensor:
    a = adjoint(op.inputs[0])
    blocks = concat([concat([a, dy], -1), concat([zeros_like(a), a], -1)], -2)
    value: Tensor = add_op(op.type, blocks)
    size = shape(a)[-1] if a.shape.ndims is None or a.spec.shape[-1] is None else a.spec.shape[-1]
    part = value[..., :size, size:]
    part.set_shape(a.shape)
    return part


for _kind, _function, _rule in [
    ("MatrixExponential", "expm", _spec),
    ("MatrixLogarithm", "logm", _complex_spec),
    ("MatrixSquareRoot", "sqrtm", _spec),
]:
    define(_kind, spec=_rule, kernel=checked(_rule, partial(_kernel, _function)), gradient=_gradient, host_only=True)
