"""Linear algebra: values, static shapes, gradients and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import error, kind_of_error, session, shape

RNG = np.random.default_rng(3)
A = RNG.normal(size=(2, 3, 3)) + 3 * np.eye(3)
B = RNG.normal(size=(2, 3, 2))
TALL, WIDE = RNG.normal(size=(4, 2)), RNG.normal(size=(2, 4))
RIGHT = RNG.normal(size=(4, 1))
DEFINITE = A @ np.swapaxes(A, -1, -2)
COMPLEX = A + 1j * RNG.normal(size=(2, 3, 3))


def _values(tf: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    with session(tf) as sess:
        return sess.run(tensors)


def _with_gradients(tf: Any, builds: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """function, operands -> the value and the gradients of the sum of its squares."""
    found, static = {}, {}
    for name, (function, *operands) in builds.items():
        tensors = [tf.constant(operand) for operand in operands]
        y = function(*tensors)
        static[name] = shape(y)
        dy = y if y.dtype.is_complex else None
        found[name] = [y, *tf.gradients(y if dy is not None else y * y, tensors, grad_ys=dy)]
    return _values(tf, found) | {"static": static}


def parts(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(np.arange(24.0).reshape(2, 3, 4))
    v = tf.constant(np.arange(6.0).reshape(2, 3))
    band = tf.constant(np.arange(1.0, 10).reshape(3, 3))
    found = {
        "band": [tf.matrix_band_part(x, 1, 0), tf.matrix_band_part(x, -1, 1), tf.matrix_band_part(x, 0, -1)],
        "diag": [tf.matrix_diag(v), tf.matrix_diag(v, k=-1), tf.matrix_diag(v, k=1, num_rows=3, num_cols=4)],
        "bands": [tf.matrix_diag(band, k=(-1, 1)), tf.matrix_diag(band, k=(0, 2), padding_value=-1.0)],
        "left": tf.matrix_diag(band, k=(-1, 1), align="LEFT_RIGHT"),
        "part": [tf.matrix_diag_part(x), tf.matrix_diag_part(x, k=2), tf.matrix_diag_part(x, k=(-1, 1))],
        "padded": tf.matrix_diag_part(x, k=(-2, 2), padding_value=9.0, align="RIGHT_RIGHT"),
        "set": [tf.matrix_set_diag(x, v), tf.linalg.set_diag(x, -v, k=1)],
        "tensor": [tf.diag(v), tf.diag_part(tf.diag(v))],
        "bool": tf.matrix_diag([True, False], padding_value=False),
        "trace": tf.trace(x),
        "eye": [tf.eye(2), tf.eye(2, 3, dtype=tf.int32), tf.eye(3, 2, [2]), tf.eye(2, batch_shape=[1, 2])],
        "at run time": tf.eye(tf.size(v), batch_shape=tf.shape(v)[:1]),
        "cross": tf.cross([[1.0, 2.0, 3.0]], [[0.5, -1.0, 2.0]]),
        "transposed": [
            tf.matrix_transpose(x),
            tf.linalg.adjoint(tf.constant(COMPLEX)),
            tf.linalg.matvec(x, np.ones(4)),
        ],
    }
    lists = {key: it if isinstance(it, list) else [it] for key, it in found.items()}
    flat = {f"{key} {i}": it for key, many in lists.items() for i, it in enumerate(many)}
    return _values(tf, flat) | {"static": {key: shape(it) for key, it in flat.items()}}


def of_unknown_shape(tf: Any, folder: Path) -> dict[str, Any]:
    x, y = tf.placeholder(tf.float64), tf.placeholder(tf.float64, [None, 3, None])
    found = {
        "band": tf.matrix_band_part(x, 0, 0),
        "part": tf.matrix_diag_part(x),
        "transpose": tf.matrix_transpose(x),
        "inverse": tf.matrix_inverse(x),
        "cholesky": tf.cholesky(x),
        "determinant": tf.matrix_determinant(x),
        "eigenvalues": tf.self_adjoint_eigvals(x),
        "solution": tf.matrix_solve(x, y),
        "norm": tf.norm(x, axis=-1),
        "product": tf.matmul(x, y),
    }
    with session(tf) as sess:
        values = sess.run(found, {x: DEFINITE, y: B})
    of_y = {"q": tf.qr(y)[0], "r": tf.qr(y)[1], "s": tf.svd(y)[0], "u": tf.svd(y)[1], "diag": tf.matrix_diag_part(y)}
    return values | {"static": {key: shape(it) for key, it in {**found, **of_y}.items()}}


def systems(tf: Any, folder: Path) -> dict[str, Any]:
    return _with_gradients(
        tf,
        {
            "inverse": (tf.matrix_inverse, A),
            "of adjoint": (lambda x: tf.matrix_inverse(x, adjoint=True), A),
            "solve": (tf.matrix_solve, A, B),
            "solve adjoint": (lambda a, b: tf.matrix_solve(a, b, adjoint=True), A, B),
            "complex": (tf.matrix_solve, COMPLEX, B + 0j),
            "triangular": (tf.matrix_triangular_solve, A, B),
            "upper": (lambda a, b: tf.matrix_triangular_solve(a, b, lower=False, adjoint=True), A, B),
            "cholesky": (tf.cholesky_solve, np.linalg.cholesky(DEFINITE), B),
            "tall": (tf.matrix_solve_ls, TALL, RIGHT),
            "wide": (lambda a, b: tf.matrix_solve_ls(a, b, l2_regularizer=0.1), WIDE, RIGHT[:2]),
        },
    ) | _values(tf, {"slow": tf.matrix_solve_ls(TALL, RIGHT, fast=False)})


def decompositions(tf: Any, folder: Path) -> dict[str, Any]:
    """Of factors whose signs are arbitrary, what does not depend on them."""

    def product(x: Any) -> Any:
        s, u, v = tf.svd(x)
        return tf.matmul(u * tf.exp(s)[..., None, :], v, adjoint_b=True)

    def spectrum(x: Any) -> Any:
        e, v = tf.self_adjoint_eig(x)
        return tf.matmul(v * tf.sqrt(e)[..., None, :], v, adjoint_b=True)

    return _with_gradients(
        tf,
        {
            "cholesky": (tf.cholesky, DEFINITE),
            "complex cholesky": (tf.cholesky, COMPLEX @ np.conj(np.swapaxes(COMPLEX, -1, -2))),
            "determinant": (tf.matrix_determinant, A),
            "slogdet": (lambda x: tf.linalg.slogdet(x)[1], A),
            "logdet": (tf.linalg.logdet, DEFINITE),
            "q": (lambda x: tf.qr(x)[0] ** 2, A),
            "r": (lambda x: tf.abs(tf.qr(x)[1]), TALL),
            "singular values": (lambda x: tf.svd(x, compute_uv=False), TALL),
            "svd": (product, A),
            "svd of wide": (product, WIDE),
            "svd of tall": (product, TALL),
            "eigenvalues": (tf.self_adjoint_eigvals, DEFINITE),
            "eigenvectors": (spectrum, DEFINITE),
            "exponential": (tf.linalg.expm, A),
            "root": (tf.matrix_square_root, DEFINITE),
            "pinv": (tf.linalg.pinv, TALL),
        },
    ) | _values(
        tf,
        {
            "lu": list(tf.linalg.lu(A)),
            "logarithm": tf.linalg.logm(DEFINITE + 0j),
            "rank": tf.linalg.matrix_rank(np.diag([1.0, 2.0, 0.0])),
            "complex": [tf.svd(COMPLEX, compute_uv=False), tf.self_adjoint_eigvals(DEFINITE + 0j)],
            "sign": list(tf.linalg.slogdet(-A)),
        },
    )


def norms(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.constant(A)
    found = {f"all {ord}": tf.norm(x, ord) for ord in ("euclidean", 1, 2, 3.5, np.inf)}
    found |= {f"axis {ord}": tf.norm(x, ord, axis=-1, keepdims=True) for ord in ("euclidean", 1, 2, 1.5, np.inf)}
    found |= {f"matrix {ord}": tf.norm(x, ord, axis=[-2, -1]) for ord in ("euclidean", "fro", 1, 2, np.inf)}
    found |= {f"kept {ord}": tf.norm(x, ord, axis=(0, 2), keep_dims=True) for ord in ("fro", 1, 2, np.inf)}
    unit, size = tf.linalg.normalize(x, axis=-1)
    found |= {"unit": unit, "size": size, "l2": tf.nn.l2_normalize(x, 1), "dim": tf.nn.l2_normalize(x, dim=[0, 1])}
    values = _values(tf, found)
    return values | {
        "static": {key: shape(it) for key, it in found.items() if not key.endswith("2")},
        "axis": kind_of_error(lambda: tf.norm(x, axis=(0, 0)), "'axis' must be None, an integer, or a tuple of 2"),
        "of a matrix": kind_of_error(lambda: tf.norm(x, 3, axis=(0, 1)), "'ord' must be a supported matrix norm"),
        "of a vector": kind_of_error(lambda: tf.norm(x, -1, axis=0), "'ord' must be a supported vector norm"),
    }


def errors(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float64)
    singular = np.zeros((2, 2))
    runs = {
        "inverse": (tf.matrix_inverse(x, name="inverse"), singular, "Input is not invertible."),
        "solve": (tf.matrix_solve(x, [[1.0], [2.0]], name="solve"), singular, "Input matrix is not invertible."),
        "not square": (tf.matrix_inverse(x, name="square"), np.ones((2, 3)), ""),
        "a vector": (tf.matrix_diag_part(x), np.ones(2), "must be at least"),
        "band": (tf.matrix_band_part(x, 5, 0, name="band"), np.ones((2, 2)), "num_lower must be negative or less"),
        "product": (tf.matmul(x, np.ones((3, 2)), name="product"), np.ones((2, 2)), "size-incompatible"),
    }
    with session(tf) as sess:
        found = {key: error(lambda y=y, it=it: sess.run(y, {x: it}), text) for key, (y, it, text) in runs.items()}
    builds = {
        "inverse of a rectangle": lambda: tf.matrix_inverse(np.ones((2, 3))),
        "inverse of a vector": lambda: tf.matrix_inverse(np.ones(2)),
        "solve, rows": lambda: tf.matrix_solve(np.ones((2, 2)), np.ones((3, 1))),
        "determinant of a rectangle": lambda: tf.matrix_determinant(np.ones((2, 3))),
        "diag of a scalar": lambda: tf.matrix_diag(1.0),
        "diag part of a vector": lambda: tf.matrix_diag_part([1.0]),
        "set diag": lambda: tf.matrix_set_diag([[1.0]], 1.0),
        "odd rank": lambda: tf.diag_part(np.ones(3)),
        "cross": lambda: tf.cross([1.0, 2.0], [1.0, 2.0]),
        "integers": lambda: tf.matrix_inverse([[1]]),
        "trace": lambda: tf.matrix_transpose([1.0]),
        "einsum": lambda: tf.einsum("ij,jk", np.ones((2, 3))),
        "tensordot": lambda: tf.tensordot(np.ones((2, 2)), np.ones((3, 2)), -1),
    }
    return found | {key: kind_of_error(build) for key, build in builds.items()}
