"""SparseTensor: three tensors that fit together."""

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.sparse_tensor import SparseTensor, SparseTensorValue


def test_it_has_the_dtype_and_the_shape_of_what_it_stands_for() -> None:
    sparse = SparseTensor(indices=[[0, 1], [2, 0]], values=[1.0, 2.0], dense_shape=[3, 2])
    assert (sparse.indices.dtype, sparse.dtype, sparse.dense_shape.dtype) == (df.int64, df.float32, df.int64)
    assert sparse.shape.as_list() == sparse.get_shape().as_list() == [3, 2]
    assert sparse.op is sparse.values.op
    assert sparse.graph is df.get_default_graph()


@pytest.mark.parametrize(
    ("indices", "shape", "rank"),
    [([None, None], [2], 2), ([None, 2], None, 2), ([None, None], [None], None), (None, None, None)],
)
def test_a_shape_that_is_not_known_yet_may_have_a_known_rank(indices: Any, shape: Any, rank: int | None) -> None:
    parts = [df.placeholder(df.int64, indices), df.placeholder(df.string), df.placeholder(df.int64, shape)]
    assert SparseTensor(*parts).shape.ndims == rank


@pytest.mark.parametrize(
    ("indices", "values", "dense_shape"),
    [([[0, 1]], [1.0, 2.0], [3, 2]), ([[0, 1]], [1.0], [3]), ([0, 1], [1.0, 2.0], [3]), ([[0]], [1.0], 3)],
)
def test_parts_that_do_not_fit_are_a_value_error(indices: Any, values: Any, dense_shape: Any) -> None:
    with pytest.raises(ValueError):
        SparseTensor(indices, values, dense_shape)


def test_its_value_has_its_three_parts() -> None:
    sparse = SparseTensor([[0, 1]], ["x"], [3, 2])
    with df.Session():
        value = sparse.eval()
    assert isinstance(value, SparseTensorValue)
    assert [part.tolist() for part in value] == [[[0, 1]], [b"x"], [3, 2]]


def test_a_value_becomes_a_sparse_tensor() -> None:
    value = SparseTensorValue(np.array([[0, 1]]), np.array([5], np.int32), np.array([3, 2]))
    sparse = SparseTensor.from_value(value)
    assert sparse.dtype == df.int32
    assert SparseTensor.from_value(sparse) is sparse
    with pytest.raises(TypeError, match="Neither a SparseTensor nor SparseTensorValue"):
        SparseTensor.from_value(5)


def test_a_static_shape_may_be_said() -> None:
    sparse = SparseTensor(df.placeholder(df.int64), df.placeholder(df.int32), df.placeholder(df.int64))
    sparse.set_shape([None, 3])
    assert sparse.shape.as_list() == [None, 3]
    with pytest.raises(ValueError):
        sparse.set_shape([2, 4])


def test_sizes_that_are_known_in_part_are_in_the_static_shape() -> None:
    sizes = df.concat([df.placeholder(df.int64, [1]), df.constant([5], df.int64)], 0)
    assert SparseTensor(df.placeholder(df.int64), df.placeholder(df.int32), sizes).shape.as_list() == [None, 5]
