"""The last two axes exchanged, and products of matrices with vectors.

Source: array_ops, linalg_impl and math_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.graph import Tensor, convert_to_tensor
from dflow.ops.array.concat import concat
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import expand_dims, rank, squeeze
from dflow.ops.array.transpose import transpose
from dflow.ops.math.arithmetic import subtract
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.named import scope_of

__all__ = ["adjoint", "matrix_transpose", "matvec"]


def matrix_transpose(a: Any, name: str | None = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """The last two axes exchanged: [..., n, m] -> [..., m, n]; conjugate: complex numbers are conjugated, too.

    ValueError for a rank below 2.
    """
    with scope_of((a,), name, "matrix_transpose"):
        x = convert_to_tensor(a, name="a")
        ndims = x.shape.ndims
        if ndims is None:
            count = rank(x)
            last = convert_to_tensor([subtract(count, 1), subtract(count, 2)])
            return transpose(x, concat([range_(subtract(count, 2)), last], 0), conjugate=conjugate)
        if ndims < 2:
            raise ValueError(
                f"Argument 'a' should be a (batch) matrix, with rank >= 2.  Found: shape {x.shape} of {x.name}"
            )
        return transpose(x, [*range(ndims - 2), ndims - 1, ndims - 2], conjugate=conjugate)


def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """The conjugates, with the last two axes exchanged: [..., n, m] -> [..., m, n]."""
    with scope_of((matrix,), name, "adjoint"):
        return matrix_transpose(convert_to_tensor(matrix, name="matrix"), conjugate=True)


def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Matrices times vectors.  a: [..., n, m], b: [..., m] -> [..., n]; the other arguments as for `matmul`."""
    with scope_of((a, b), name, "MatVec") as scope:
        column = expand_dims(convert_to_tensor(b, name="b"), -1)
        product = matmul(a, column, transpose_a=transpose_a, adjoint_a=adjoint_a)
        return squeeze(product, [-1], name=scope)
