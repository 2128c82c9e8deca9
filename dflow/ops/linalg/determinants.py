"""Determinants of matrices, and their logarithms.

Source: linalg_ops and linalg_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.shape import expand_dims
from dflow.ops.linalg.cholesky import cholesky
from dflow.ops.linalg.diagonals import matrix_diag_part
from dflow.ops.linalg.solve import matrix_inverse
from dflow.ops.math.arithmetic import chain, multiply
from dflow.ops.math.complex import real
from dflow.ops.math.powers import log
from dflow.ops.math.reduction import reduce_sum
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, square
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["LogMatrixDeterminant", "logdet", "matrix_determinant", "slogdet"]


class LogMatrixDeterminant(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Tensor
    log_abs_determinant: Tensor


def matrix_determinant(input: Any, name: str | None = None) -> Tensor:
    """The determinant of each matrix: [..., n, n] -> [...].  Floating or complex."""
    tensor: Tensor = named("MatrixDeterminant", (input,), ("input",), name)
    return tensor


def slogdet(input: Any, name: str | None = None) -> LogMatrixDeterminant:
    """The sign of the determinant of each matrix, and log(abs(determinant)): [..., n, n] -> [...] each.

    The sign of a complex determinant is the number of size 1 in its direction.  Both are of the dtype of the input.
    """
    return LogMatrixDeterminant(*named("LogMatrixDeterminant", (input,), ("input",), name))


def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithm of the determinant of each Hermitian positive definite matrix: [..., n, n] -> [...]."""
    with scope_of((matrix,), name, "logdet"):
        diagonal = real(matrix_diag_part(cholesky(convert_to_tensor(matrix))))
        return multiply(reduce_sum(log(diagonal), [-1]), 2.0)


def _spec(x: TensorSpec) -> TensorSpec:
    only(x, floating_or_complex(x), "floating and complex numbers")
    return TensorSpec(square(x).outer, x.dtype)


def _kernel(x: Any) -> Any:
    return narrowed(namespace(x).linalg.det(widened(x)), x)


def _log_kernel(x: Any) -> tuple[Any, Any]:
    sign, logarithm = namespace(x).linalg.slogdet(widened(x))
    return narrowed(sign, x), narrowed(logarithm, x)


def _times_inverse(op: Operation, scale: Tensor) -> Tensor:
    """A number for each matrix, times the inverse of the adjoint of the matrix."""
    inverse = matrix_inverse(op.inputs[0], adjoint=True)
    return multiply(expand_dims(expand_dims(scale, -1), -1), inverse)


define(
    "MatrixDeterminant",
    spec=_spec,
    kernel=checked(_spec, _kernel),
    gradient=lambda op, dy: _times_inverse(op, chain(dy, op.outputs[0])),
)
define(
    "LogMatrixDeterminant",
    spec=lambda x: (_spec(x), _spec(x)),
    kernel=checked(_spec, _log_kernel),
    gradient=lambda op, dsign, dlog: _times_inverse(op, dlog),
)
