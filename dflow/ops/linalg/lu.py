"""The LU decomposition of square matrices.

Source: linalg_ops.lu and what is made of it, of TensorFlow 1.15; the gradient of later versions.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dflow.dtypes import DType, as_dtype, int32
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.ops.array.fill import ones_like
from dflow.ops.array.grid import eye
from dflow.ops.array.one_hot import one_hot
from dflow.ops.array.shape import shape
from dflow.ops.linalg.band_part import matrix_band_part
from dflow.ops.linalg.diagonals import matrix_diag_part, matrix_set_diag
from dflow.ops.linalg.solve import matrix_triangular_solve
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.math.arithmetic import add, subtract
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, through_numpy, widened
from dflow.ops.rules.matrices import floating_or_complex, square
from dflow.ops.rules.named import named, scope_of
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["Lu", "lu", "lu_matrix_inverse", "lu_reconstruct", "lu_solve"]


class Lu(NamedTuple):
    """Both factors in one matrix, and the order of its rows."""

    lu: Tensor
    p: Tensor


def lu(input: Any, output_idx_type: Any = int32, name: str | None = None) -> Lu:
    """Each matrix, with its rows in another order, as lower @ upper.  Floating or complex.

    input: [..., n, n] -> lu: [..., n, n], which holds the lower factor below its diagonal (that of the factor is ones)
    and the upper one above; p: [..., n] integers: row i of lower @ upper is row p[i] of the input.
    InvalidArgumentError at run time for a matrix that is not invertible.
    """
    return Lu(*named("Lu", (input,), ("input",), name, output_idx_type=as_dtype(output_idx_type)))


def _spec(x: TensorSpec, output_idx_type: DType) -> tuple[TensorSpec, TensorSpec]:
    only(x, floating_or_complex(x), "floating and complex numbers")
    only(TensorSpec(x.shape, output_idx_type), output_idx_type.name in ("int32", "int64"), "int32 and int64 indices")
    found = square(x)
    return TensorSpec(found.of(found.rows, found.rows), x.dtype), TensorSpec(found.of(found.rows), output_idx_type)


def _kernel(x: Any, output_idx_type: DType) -> tuple[Any, Any]:
    packed, order = through_numpy(partial(_packed, dtype=output_idx_type.numpy_dtype), widened(x))
    return narrowed(packed, x), order


def _packed(x: Any, dtype: Any) -> tuple[Any, Any]:
    from scipy.linalg import lu as decompose

    if x.size == 0:
        return x.copy(), np.zeros(x.shape[:-1], dtype)
    places, lower, upper = decompose(x, p_indices=True)
    if (np.diagonal(upper, axis1=-2, axis2=-1) == 0).any():
        raise InvalidArgumentError(None, None, "Input is not invertible.")
    order = np.argsort(places, axis=-1)  # SciPy gives the inverse
    return np.tril(lower, -1) + upper, order.astype(dtype)


def _gradient(op: Operation, dlu: Tensor, dp: None) -> Tensor:
    """adjoint(inverse(lower)) m adjoint(inverse(upper)), in the order of the input's rows."""
    packed, order = op.outputs
    lower, upper = _factors(packed)
    of_lower = matmul(lower, _strictly_lower(dlu), adjoint_a=True)
    of_upper = matmul(matrix_band_part(dlu, 0, -1), upper, adjoint_b=True)
    middle = add(_strictly_lower(of_lower), matrix_band_part(of_upper, 0, -1))
    left = matrix_triangular_solve(lower, middle, lower=True, adjoint=True)
    both = adjoint(matrix_triangular_solve(upper, adjoint(left), lower=False))
    return matmul(_permutation(order, both), both, transpose_a=True)


def _strictly_lower(x: Tensor) -> Tensor:
    return subtract(matrix_band_part(x, -1, 0), matrix_band_part(x, 0, 0))


def _factors(packed: Tensor) -> tuple[Tensor, Tensor]:
    lower = matrix_band_part(packed, -1, 0)
    return matrix_set_diag(lower, ones_like(matrix_diag_part(packed))), matrix_band_part(packed, 0, -1)


def _permutation(order: Tensor, like: Tensor) -> Tensor:
    """The matrix that brings rows into an order: row i has its 1 in column order[i]."""
    return one_hot(order, shape(like)[-1], dtype=like.dtype)


define("Lu", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient, host_only=True)

# -- what the factors are good for


def lu_reconstruct(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The matrices that `lu` gave these for: [..., n, n].  validate_args: accepted, without effect."""
    with scope_of((lower_upper, perm), name, "lu_reconstruct"):
        packed = convert_to_tensor(lower_upper, name="lower_upper")
        lower, upper = _factors(packed)
        order = convert_to_tensor(perm, name="perm")
        return matmul(_permutation(order, packed), matmul(lower, upper), transpose_a=True)


def lu_solve(lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None) -> Tensor:
    """x of a @ x = rhs, from what `lu` gave for a: [..., n, k].  validate_args: accepted, without effect."""
    with scope_of((lower_upper, perm, rhs), name, "lu_solve"):
        packed = convert_to_tensor(lower_upper, name="lower_upper")
        right = convert_to_tensor(rhs, packed.dtype, name="rhs")
        lower, upper = _factors(packed)
        ordered = matmul(_permutation(convert_to_tensor(perm, name="perm"), packed), right)
        return matrix_triangular_solve(upper, matrix_triangular_solve(lower, ordered), lower=False)


def lu_matrix_inverse(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The inverses of the matrices that `lu` gave these for.  validate_args: accepted, without effect."""
    with scope_of((lower_upper, perm), name, "lu_matrix_inverse"):
        packed = convert_to_tensor(lower_upper, name="lower_upper")
        sizes = shape(packed)
        identity = eye(sizes[-1], batch_shape=sizes[:-2], dtype=packed.dtype)
        identity.set_shape(packed.shape)
        return lu_solve(packed, perm, identity)
