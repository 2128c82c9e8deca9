"""The Cholesky decomposition of positive definite matrices.

Source: linalg_ops.cholesky of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor
from dflow.ops.linalg.band_part import matrix_band_part
from dflow.ops.linalg.diagonals import matrix_diag_part, matrix_set_diag
from dflow.ops.linalg.solve import matrix_triangular_solve
from dflow.ops.linalg.transposes import adjoint
from dflow.ops.math.arithmetic import add, multiply
from dflow.ops.math.linalg import matmul
from dflow.ops.rules.arrays import namespace
from dflow.ops.rules.checked import checked
from dflow.ops.rules.libraries import narrowed, widened
from dflow.ops.rules.matrices import floating_or_complex, square
from dflow.ops.rules.named import named
from dflow.ops.rules.static import only
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["cholesky"]


def cholesky(input: Any, name: str | None = None) -> Tensor:
    """The lower triangular l of each matrix l @ adjoint(l): [..., n, n].  Floating or complex.

    Only the lower triangle of the input is read.  InvalidArgumentError at run time for a matrix that is not positive
    definite.
    """
    tensor: Tensor = named("Cholesky", (input,), ("input",), name)
    return tensor


def _spec(x: TensorSpec) -> TensorSpec:
    only(x, floating_or_complex(x), "floating and complex numbers")
    found = square(x)
    return TensorSpec(x.shape if x.shape.ndims is None else found.of(found.rows, found.rows), x.dtype)


def _kernel(x: Any) -> Any:
    try:
        return narrowed(namespace(x).linalg.cholesky(widened(x)), x)
    except np.linalg.LinAlgError:
        raise InvalidArgumentError(
            None, None, "Cholesky decomposition was not successful. The input might not be valid."
        ) from None


def _gradient(op: Operation, dl: Tensor) -> Tensor:
    """adjoint(inverse(l)) m inverse(l), made Hermitian.

    m: the lower triangle of adjoint(l) dl, with half of its diagonal.
    """
    factor = op.outputs[0]
    middle = matmul(factor, dl, adjoint_a=True)
    middle = matrix_band_part(matrix_set_diag(middle, multiply(matrix_diag_part(middle), 0.5)), -1, 0)
    left = matrix_triangular_solve(factor, middle, adjoint=True)
    both = matrix_triangular_solve(factor, adjoint(left), adjoint=True)
    return multiply(add(both, adjoint(both)), 0.5)


define("Cholesky", spec=_spec, kernel=checked(_spec, _kernel), gradient=_gradient)
