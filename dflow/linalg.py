"""Linear algebra, as TensorFlow 1 names it in `tf.linalg`: the same objects as in `df`, and some more.

Source: tf.linalg of TensorFlow 1.15.
"""

from dflow.ops.array.grid import eye
from dflow.ops.linalg.band_part import matrix_band_part as band_part
from dflow.ops.linalg.cholesky import cholesky
from dflow.ops.linalg.cross import cross
from dflow.ops.linalg.determinants import logdet, slogdet
from dflow.ops.linalg.determinants import matrix_determinant as det
from dflow.ops.linalg.diagonals import matrix_diag as diag
from dflow.ops.linalg.diagonals import matrix_diag_part as diag_part
from dflow.ops.linalg.diagonals import matrix_set_diag as set_diag
from dflow.ops.linalg.diagonals import trace
from dflow.ops.linalg.eigen import self_adjoint_eig as eigh
from dflow.ops.linalg.eigen import self_adjoint_eigvals as eigvalsh
from dflow.ops.linalg.functions import expm, logm, sqrtm
from dflow.ops.linalg.least_squares import matrix_solve_ls as lstsq
from dflow.ops.linalg.lu import lu, lu_matrix_inverse, lu_reconstruct, lu_solve
from dflow.ops.linalg.norms import l2_normalize, norm, normalize
from dflow.ops.linalg.qr import qr
from dflow.ops.linalg.solve import cholesky_solve
from dflow.ops.linalg.solve import matrix_inverse as inv
from dflow.ops.linalg.solve import matrix_solve as solve
from dflow.ops.linalg.solve import matrix_triangular_solve as triangular_solve
from dflow.ops.linalg.svd import matrix_rank, pinv, svd
from dflow.ops.linalg.tensor_diagonal import diag as tensor_diag
from dflow.ops.linalg.tensor_diagonal import diag_part as tensor_diag_part
from dflow.ops.linalg.transposes import adjoint, matrix_transpose, matvec
from dflow.ops.linalg.transposes import matrix_transpose as transpose
from dflow.ops.math.einsum import einsum
from dflow.ops.math.linalg import matmul
from dflow.ops.math.tensordot import tensordot
from dflow.ops.nn.clip import global_norm

__all__ = [
    "adjoint",
    "band_part",
    "cholesky",
    "cholesky_solve",
    "cross",
    "det",
    "diag",
    "diag_part",
    "eigh",
    "eigvalsh",
    "einsum",
    "expm",
    "eye",
    "global_norm",
    "inv",
    "l2_normalize",
    "logdet",
    "logm",
    "lstsq",
    "lu",
    "lu_matrix_inverse",
    "lu_reconstruct",
    "lu_solve",
    "matmul",
    "matrix_rank",
    "matrix_transpose",
    "matvec",
    "norm",
    "normalize",
    "pinv",
    "qr",
    "set_diag",
    "slogdet",
    "solve",
    "sqrtm",
    "svd",
    "tensor_diag",
    "tensor_diag_part",
    "tensordot",
    "trace",
    "transpose",
    "triangular_solve",
]
