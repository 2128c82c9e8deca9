"""Eigenvalues and eigenvectors of Hermitian matrices.

Source: linalg_ops.self_adjoint_eig of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Operation, Tensor
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.array.shape import expand_dims
from dflow.ops.linalg.band_part import matrix_band_part
from dflow.ops.linalg.diagonals import matrix_diag, matrix_diag_part, matrix_set_diag
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.math.linalg import matmul
from dflow.ops.math.powers import reciprocal
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, square
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["inverse_differences", "self_adjoint_eig", "self_adjoint_eigvals"]


def self_adjoint_eig(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The eigenvalues of Hermitian matrices, ascending, and their eigenvectors.  Floating or complex.

    tensor: [..., n, n], of which the lower triangle is read -> e: [..., n] and v: [..., n, n], whose columns are the
    eigenvectors, both of the dtype of the tensor.
    """
    e, v = named("SelfAdjointEigV2", (tensor,), ("input",), name, compute_v=True)
    return e, v


def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, ascending: [..., n, n] -> [..., n].  Floating or complex."""
    e, _ = named("SelfAdjointEigV2", (tensor,), ("input",), name, compute_v=False)
    return e  # type: ignore[no-any-return]


def _spec(x: TensorSpec, compute_v: bool) -> tuple[TensorSpec, TensorSpec]:
    only(x, floating_or_complex(x), "floating and complex numbers")
    found = square(x)
    vectors = found.of(found.rows, found.rows) if compute_v else [0]
    return TensorSpec(found.of(found.rows), x.dtype), TensorSpec(vectors, x.dtype)  # type: ignore[arg-type]


def _kernel(x: Any, compute_v: bool) -> tuple[Any, Any]:
    xp, wide = namespace(x), widened(x)
    if not compute_v:
        return xp.astype(xp.linalg.eigvalsh(wide), x.dtype), xp.zeros((0,), dtype=x.dtype)
    e, v = xp.linalg.eigh(wide)
    return xp.astype(e, x.dtype), narrowed(v, x)


def inverse_differences(x: Tensor) -> Tensor:
    """[..., i, j]: 1 / (x[j] - x[i]), and 0 on the diagonal."""
    differences = subtract(expand_dims(x, -2), expand_dims(x, -1))
    off_diagonal = reciprocal(matrix_set_diag(differences, ones_like(x)))
    return matrix_set_diag(off_diagonal, zeros_like(x))


def _gradient(op: Operation, de: Tensor, dv: Tensor) -> Tensor:
    """v (diag(de) + f * (adjoint(v) dv)) adjoint(v), brought to the lower triangle, which alone is read."""
    if op.attrs["compute_v"]:
        e, v = op.outputs
        inner = add(matrix_diag(de), multiply(inverse_differences(e), matmul(v, dv, adjoint_a=True)))
    else:
        _, v = self_adjoint_eig(op.inputs[0])
        inner = matrix_diag(de)
    whole = matmul(v, matmul(inner, v, adjoint_b=True))
    both = matrix_band_part(add(whole, adjoint(whole)), -1, 0)
    return matrix_set_diag(both, multiply(matrix_diag_part(both), 0.5))


define("SelfAdjointEigV2", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)
