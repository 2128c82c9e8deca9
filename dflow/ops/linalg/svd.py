"""The singular value decomposition of matrices, and what is made of it: pseudo-inverses and ranks.

Source: linalg_ops.svd and linalg_impl of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int32
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.cast import cast
from dflow.ops.array.fill import ones_like, zeros_like
from dflow.ops.array.shape import expand_dims, shape
from dflow.ops.linalg.diagonals import matrix_diag
from dflow.ops.linalg.eigen import inverse_differences
from dflow.ops.linalg.solve import conjugate_transposed
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.math.arithmetic import add, multiply, subtract
from dflow.ops.math.compare import greater, where
from dflow.ops.math.complex import real
from dflow.ops.math.linalg import matmul
from dflow.ops.math.powers import reciprocal, square
from dflow.ops.math.reduction import reduce_max, reduce_sum
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, smaller, stack
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import only, spec_of
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["matrix_rank", "pinv", "svd"]


def svd(
    tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None
) -> tuple[Tensor, Tensor, Tensor] | Tensor:
    """Each matrix as u @ diag(s) @ adjoint(v).  Floating or complex.

    tensor: [..., n, m] -> s: [..., p], real, not negative and descending, where p is the smaller one of n and m;
    u: [..., n, p] and v: [..., m, p], with orthonormal columns, or with full_matrices=True [..., n, n] and [..., m, m].
    compute_uv=False: s alone.
    """
    s, u, v = named("Svd", (tensor,), ("input",), name, compute_uv=bool(compute_uv), full_matrices=bool(full_matrices))
    return (real(s), u, v) if compute_uv else real(s)


def _spec(x: TensorSpec, compute_uv: bool, full_matrices: bool) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
    only(x, floating_or_complex(x), "floating and complex numbers")
    found = stack(x)
    inner = smaller(found.rows, found.columns)
    if not compute_uv:
        return TensorSpec(found.of(inner), x.dtype), spec_of([0], x.dtype), spec_of([0], x.dtype)
    of_u, of_v = (found.rows, found.columns) if full_matrices else (inner, inner)
    return (
        TensorSpec(found.of(inner), x.dtype),
        TensorSpec(found.of(found.rows, of_u), x.dtype),
        TensorSpec(found.of(found.columns, of_v), x.dtype),
    )


def _kernel(x: Any, compute_uv: bool, full_matrices: bool) -> tuple[Any, Any, Any]:
    xp, wide = namespace(x), widened(x)
    if not compute_uv:
        nothing = xp.zeros((0,), dtype=x.dtype)
        return xp.astype(xp.linalg.svdvals(wide), x.dtype), nothing, nothing
    u, s, vh = xp.linalg.svd(wide, full_matrices=full_matrices)
    return xp.astype(s, x.dtype), narrowed(u, x), narrowed(conjugate_transposed(vh), x)


# -- the gradient


def _gradient(op: Operation, ds: Tensor, du: Tensor, dv: Tensor) -> Tensor:
    """NotImplementedError for unknown sizes, and for full matrices whose sizes differ by more than 1."""
    if not op.attrs["compute_uv"]:
        _, u, v = svd(op.inputs[0])
        return matmul(u, matmul(matrix_diag(ds), v, adjoint_b=True))
    s, u, v = op.outputs
    found = stack(op.inputs[0].spec)
    if found.rows is None or found.columns is None:
        raise NotImplementedError("SVD gradient has not been implemented for input with unknown inner matrix shape.")
    if op.attrs["full_matrices"] and abs(found.rows - found.columns) > 1:
        raise NotImplementedError("svd gradient is not implemented for abs(m - n) > 1 when full_matrices is True")
    if found.rows > found.columns:
        return adjoint(_of_wide(s, v, u, ds, dv, du, found.columns, found.rows))
    return _of_wide(s, u, v, ds, du, dv, found.rows, found.columns)


def _of_wide(s: Tensor, u: Tensor, v: Tensor, ds: Tensor, du: Tensor, dv: Tensor, rows: int, columns: int) -> Tensor:
    """The gradient of a matrix of no more rows than columns."""
    v1, dv1 = v[..., :rows], dv[..., :rows]
    sizes, factor = matrix_diag(s), inverse_differences(square(s))
    of_u = multiply(factor, matmul(u, du, adjoint_a=True))
    of_v = multiply(factor, matmul(v1, dv1, adjoint_a=True))
    turned = add(matmul(add(of_u, adjoint(of_u)), sizes), matmul(sizes, add(of_v, adjoint(of_v))))
    whole = matmul(u, matmul(add(matrix_diag(ds), turned), v1, adjoint_b=True))
    if rows == columns:
        return whole
    outside = subtract(adjoint(dv1), matmul(matmul(dv1, v1, adjoint_a=True), v1, adjoint_b=True))
    if v.shape[-1] == columns:  # the full matrix
        v2, dv2 = v[..., rows:], dv[..., rows:]
        outside = subtract(outside, matmul(matmul(v1, dv2, adjoint_a=True), v2, adjoint_b=True))
    return add(whole, matmul(matmul(u, matrix_diag(reciprocal(s))), outside))


define("Svd", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)

# -- what the decomposition is good for


def _tolerance(a: Tensor, factor: float) -> Any:
    """factor * the larger size of a matrix * the distance of 1 to the next number of the dtype."""
    epsilon = factor * float(np.finfo(a.dtype.numpy_dtype).eps)
    found = stack(a.spec)
    if found.rows is not None and found.columns is not None:
        return epsilon * max(found.rows, found.columns)
    return multiply(cast(reduce_max(shape(a)[-2:]), real(a).dtype), epsilon)


def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The number of singular values of each matrix that are above `tol`: [..., n, m] -> [...], int32.

    tol: None: the largest one times the larger size times the precision of the dtype.  validate_args: accepted,
    without effect.
    """
    with scope_of((a,), name, "matrix_rank"):
        matrix = convert_to_tensor(a, name="a")
        s = svd(matrix, compute_uv=False)
        limit = multiply(reduce_max(s, -1, keepdims=True), _tolerance(matrix, 1.0)) if tol is None else tol
        return reduce_sum(cast(greater(s, limit), int32), -1)


def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The pseudo-inverse of each matrix: [..., n, m] -> [..., m, n].

    Singular values up to `rcond` times the largest one count as 0; None: ten times the larger size times the precision
    of the dtype.  validate_args: accepted, without effect.
    """
    with scope_of((a,), name, "pinv"):
        matrix = convert_to_tensor(a, name="a")
        s, u, v = svd(matrix, full_matrices=False, compute_uv=True)
        share = _tolerance(matrix, 10.0) if rcond is None else convert_to_tensor(rcond, s.dtype, name="rcond")
        cutoff = multiply(reduce_max(s, -1), share)
        is_large = greater(s, expand_dims(cutoff, -1))
        inverse = where(is_large, reciprocal(where(is_large, s, ones_like(s))), zeros_like(s))
        return matmul(multiply(v, expand_dims(cast(inverse, v.dtype), -2)), u, adjoint_b=True)
