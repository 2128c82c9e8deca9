"""The lines of the oracle table for sparse tensors, as far as their kernels are for all array namespaces.

See `tests/ops/oracle.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import dflow as df
from dflow.ops.sparse.at_indices import add_at, values_at
from dflow.ops.sparse.elementwise import sparse_dense_cwise_add

RNG = np.random.default_rng(11)
PLACES = np.array([[0, 1], [1, 0], [1, 3], [2, 2]])
SIZES = np.array([3, 4])
VALUES, DENSE = RNG.normal(size=4), RNG.uniform(0.5, 2.0, size=(3, 4))


def _entries(function: Any) -> Any:
    """An operator on a sparse and a dense operand, from the three parts and the dense one to the new values."""
    return lambda places, values, sizes, dense: function(df.SparseTensor(places, values, sizes), dense).values


def _dense(places: Any, values: Any, sizes: Any) -> Any:
    result = np.zeros(tuple(sizes))
    np.add.at(result, tuple(places.T), values)
    return result


def _product(adjoint_a: bool, adjoint_b: bool) -> tuple[Any, Any, Any]:
    def build(places: Any, values: Any, sizes: Any, b: Any) -> Any:
        return df.sparse_tensor_dense_matmul(df.SparseTensor(places, values, sizes), b, adjoint_a, adjoint_b)

    def judge(places: Any, values: Any, sizes: Any, b: Any) -> Any:
        a = _dense(places, values, sizes)
        return (a.T if adjoint_a else a) @ (b.T if adjoint_b else b)

    inner = SIZES[0 if adjoint_a else 1]
    return build, judge, RNG.normal(size=(2, inner) if adjoint_b else (inner, 2))


def lines(case: Any) -> dict[str, list[Any]]:
    """The lines; case: the class of a line."""
    parts = (PLACES, VALUES, SIZES)
    repeated = np.array([[0, 1], [2, 3], [0, 1], [1, 0]])
    smaller = [DENSE, DENSE[:1], DENSE[:, :1], DENSE[0], DENSE[0, 0]]

    def at(places: Any, dense: Any) -> Any:
        return np.broadcast_to(dense, tuple(SIZES))[tuple(places.T)]

    def operator(build: Any, judge: Any) -> list[Any]:
        return [
            case(
                _entries(build),
                lambda places, values, sizes, dense: judge(values, at(places, dense)),
                (*parts, dense),
                (0, 2),
            )
            for dense in smaller
        ]

    return {
        "ValuesAt": [
            case(values_at, lambda dense, places: dense[tuple(places.T)], (DENSE, repeated), (1,)),
            case(values_at, lambda dense, places: dense[0, places[:, 1]], (DENSE[:1], repeated), (1,)),
        ],
        "AddAt": [
            case(
                lambda values, places, like: add_at(values, places, like),
                lambda values, places, like: _dense(places, values, like.shape),
                (VALUES, repeated, DENSE),
                (1, 2),
            )
        ],
        "SparseTensorDenseAdd": [
            case(
                lambda places, values, sizes, dense: df.sparse_add(df.SparseTensor(places, values, sizes), dense),
                lambda places, values, sizes, dense: dense + _dense(places, values, sizes),
                (*parts, DENSE),
                (0, 2),
            )
        ],
        "SparseDenseCwiseMul": operator(lambda x, y: x * y, np.multiply),
        "SparseDenseCwiseDiv": operator(lambda x, y: x / y, np.divide),
        "SparseDenseCwiseAdd": operator(sparse_dense_cwise_add, np.add),
        "SparseTensorDenseMatMul": [
            case(build, judge, (*parts, b), (0, 2))
            for build, judge, b in (_product(a, b) for a in (False, True) for b in (False, True))
        ],
    }


NO_ORACLE = {
    **dict.fromkeys(
        ("SparseAdd", "SparseAddGrad", "SparseSparseMaximum", "SparseSparseMinimum"),
        "its kernel is for CPUs: tests/ops/sparse/test_sparse.py",
    ),
    "SparseMatMul": "for float32 alone: tests/ops/sparse/test_sparse.py",
}
ELSEWHERE = {
    **{
        f"dflow.ops.sparse.{name}": "their kernels are for CPUs: tests/ops/sparse/test_sparse.py"
        for name in ("concat", "dense", "fill_empty_rows", "order", "parts", "reduce", "shape")
    },
    **{
        f"dflow.ops.text.{name}": "they are about text: tests/ops/text/test_text.py"
        for name in (
            *("characters", "format", "hash_bucket", "join", "numbers", "regex", "split", "substring", "unicode"),
        )
    },
    "dflow.ops.sets": "they may be about text: tests/ops/sparse/test_sets.py",
    "dflow.ops.lookup.operations": "they are about state: tests/ops/lookup/test_tables.py",
}
