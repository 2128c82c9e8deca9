"""The QR decomposition of matrices.

Source: linalg_ops.qr of TensorFlow 1.15; the gradient for matrices with more columns than rows of later versions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dflow.graph import Operation, Tensor
from dflow.ops.array.concat import concat
from dflow.ops.linalg.band_part import matrix_band_part
from dflow.ops.linalg.solve import matrix_triangular_solve
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.math.arithmetic import add, subtract
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, smaller, stack
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["Qr", "qr"]


class Qr(NamedTuple):
    """The factors of q @ r."""

    q: Tensor
    r: Tensor


def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Qr:
    """Each matrix as q @ r: q has orthonormal columns, r is upper triangular.  Floating or complex.

    input: [..., n, m] -> q: [..., n, p], r: [..., p, m], where p is the smaller one of n and m; or with
    full_matrices=True, n.
    """
    return Qr(*named("Qr", (input,), ("input",), name, full_matrices=bool(full_matrices)))


def _spec(x: TensorSpec, full_matrices: bool) -> tuple[TensorSpec, TensorSpec]:
    only(x, floating_or_complex(x), "floating and complex numbers")
    found = stack(x)
    inner = found.rows if full_matrices else smaller(found.rows, found.columns)
    return TensorSpec(found.of(found.rows, inner), x.dtype), TensorSpec(found.of(inner, found.columns), x.dtype)


def _kernel(x: Any, full_matrices: bool) -> tuple[Any, Any]:
    q, r = namespace(x).linalg.qr(widened(x), mode="complete" if full_matrices else "reduced")
    return narrowed(q, x), narrowed(r, x)


def _gradient(op: Operation, dq: Tensor, dr: Tensor) -> Tensor:
    """NotImplementedError for unknown sizes, and for the full matrices of more rows than columns."""
    x, (q, r) = op.inputs[0], op.outputs
    found = stack(x.spec)
    if found.rows is None or found.columns is None:
        raise NotImplementedError("QrGrad not implemented with dynamic shapes.")
    if found.rows > found.columns and op.attrs["full_matrices"]:
        raise NotImplementedError("QrGrad not implemented when nrows > ncols and full_matrices is true.")
    if found.rows >= found.columns:
        return _of_tall(q, r, dq, dr)
    rows = found.rows  # the first columns, a square, have q as their own; r of the others is adjoint(q) @ x
    later, dr_later = x[..., rows:], dr[..., rows:]
    dq_of_square = add(dq, matmul(later, dr_later, adjoint_b=True))
    of_square = _of_tall(q, r[..., :rows], dq_of_square, dr[..., :rows])
    return concat([of_square, matmul(q, dr_later)], -1)


def _of_tall(q: Tensor, r: Tensor, dq: Tensor, dr: Tensor) -> Tensor:
    """The gradient of a matrix of no more columns than rows."""
    both = subtract(matmul(r, dr, adjoint_b=True), matmul(dq, q, adjoint_a=True))
    lower = matrix_band_part(both, -1, 0)
    strictly = subtract(lower, matrix_band_part(both, 0, 0))
    hermitian = add(lower, adjoint(strictly))
    return _behind_inverse(add(dq, matmul(q, hermitian)), r)


def _behind_inverse(x: Tensor, r: Tensor) -> Tensor:
    """x @ adjoint(inverse(r)), for an upper triangular r."""
    return adjoint(matrix_triangular_solve(r, adjoint(x), lower=False))


define("Qr", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)
