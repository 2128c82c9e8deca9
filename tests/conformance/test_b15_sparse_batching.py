"""Batches of sparse tensors, in this process and on a cluster.  Statement ids: B15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf
from dflow import train
from dflow.ops.sparse.serial import deserialize_many_sparse, serialize_many_sparse, serialize_sparse
from dflow.sparse_tensor import SparseTensor, SparseTensorValue
from tests.conformance.inputs import LIMIT, numbers, rest, running, start


def diagonal(number: tf.Tensor) -> SparseTensor:
    """An example of its own size: `number` at [number, 0] of [number + 1, 2]."""
    place = tf.cast(tf.stack([number, tf.zeros_like(number)]), tf.int64)
    return SparseTensor(tf.expand_dims(place, 0), tf.expand_dims(number, 0), place + tf.constant([1, 2], tf.int64))


def of_unknown_rank() -> SparseTensor:
    return SparseTensor(tf.placeholder(tf.int64), tf.placeholder(tf.float32), tf.placeholder(tf.int64))


def parts(sparse: SparseTensor) -> SparseTensorValue:
    """What to fetch for its value."""
    return SparseTensorValue(sparse.indices, sparse.values, sparse.dense_shape)


def equal(found: Any, indices: Any, values: Any, dense_shape: Any) -> None:
    assert isinstance(found, SparseTensorValue)
    assert found.indices.tolist() == indices
    assert found.values.tolist() == values
    assert found.dense_shape.tolist() == dense_shape


def test_a_batch_of_sparse_tensors_has_a_first_axis_and_the_largest_size(target: str) -> None:
    """B15.16"""
    number = numbers(4)
    sparse, dense = train.batch([diagonal(number), number], 2)
    assert sparse.dtype == tf.int32
    assert (sparse.dense_shape.shape, sparse.indices.shape.as_list()) == ((3,), [None, 3])
    with running(target) as (sess, _):
        first, second = rest(sess, [parts(sparse), dense])
    equal(first[0], [[0, 0, 0], [1, 1, 0]], [0, 1], [2, 2, 2])
    equal(second[0], [[0, 2, 0], [1, 3, 0]], [2, 3], [2, 4, 2])
    assert second[1].tolist() == [2, 3]


def test_many_sparse_examples_may_be_put_in_at_once(target: str) -> None:
    """B15.16"""
    value = SparseTensorValue([[0, 1], [2, 0], [2, 2]], ["a", "bc", ""], [3, 4])
    batch = train.batch({"text": value, "number": [1, 2, 3]}, 4, enqueue_many=True)
    assert batch["text"].dense_shape.shape == (2,)
    with running(target) as (sess, _):
        found = sess.run(batch | {"text": parts(batch["text"])})
    equal(found["text"], [[0, 1], [2, 0], [2, 2], [3, 1]], [b"a", b"bc", b"", b"a"], [4, 4])
    assert found["number"].tolist() == [1, 2, 3, 1]


def test_sparse_examples_are_shuffled_joined_and_left_out_like_others(target: str) -> None:
    """B15.16, B15.14"""
    sources = [numbers(12), numbers(12) + 100]
    batch = train.maybe_shuffle_batch_join(
        [[diagonal(number), number] for number in sources], 6, 9, 2, tf.equal(numbers(24) * 0, 0), seed=1
    )
    with running(target) as (sess, _):
        found = sess.run([parts(batch[0]), batch[1]])
    assert found[0].values.tolist() == found[1].tolist()
    assert found[0].indices[:, 1].tolist() == found[1].tolist()
    number = numbers(6)
    even = train.maybe_batch([diagonal(number)], tf.equal(number % 2, 0), 3)
    with running(target) as (sess, _):
        assert sess.run(even.values).tolist() == [0, 2, 4]


def test_a_sparse_tensor_may_be_of_unknown_rank_and_shapes_are_for_the_others() -> None:
    """B15.16"""
    unknown = of_unknown_rank()
    batch = train.batch([unknown, tf.placeholder(tf.float32)], 2, shapes=[None, (5,)])
    assert batch[0].dense_shape.shape.as_list() == [None]
    assert batch[1].shape == (2, 5)
    assert train.batch([unknown], 2, dynamic_pad=True).shape.ndims is None


def test_sparse_tensors_of_several_sources_must_be_alike() -> None:
    """B15.10, B15.16"""
    matrix, vector = SparseTensorValue([[0, 0]], [1.0], [2, 2]), SparseTensorValue([[0]], [1.0], [2])
    with pytest.raises(ValueError, match="ranks"):
        train.batch_join([[matrix], [vector]], 2)
    with pytest.raises(TypeError, match=r"consistent: sparse float32 vs\. float32"):
        train.batch_join([[matrix], [1.0]], 2)
    with pytest.raises(ValueError, match="ranks"):
        train.batch_join([[matrix], [vector]], 2, enqueue_many=True)


def test_the_first_source_says_the_rank_of_a_batch_of_several() -> None:
    """B15.16"""
    matrix, unknown = SparseTensorValue([[0, 0]], [1.0], [2, 2]), of_unknown_rank()
    assert train.batch_join([[matrix], [unknown]], 2).dense_shape.shape == (3,)
    assert train.batch_join([[unknown], [matrix]], 2).dense_shape.shape.as_list() == [None]
    assert train.batch_join([[matrix], [unknown]], 2, enqueue_many=True).dense_shape.shape == (2,)


BATCHES: dict[str, Callable[..., SparseTensor]] = {
    "batch": lambda sparse, keep: train.batch([sparse], 2, enqueue_many=True),
    "batch_join": lambda sparse, keep: train.batch_join([[sparse]], 2, enqueue_many=True),
    "shuffle_batch": lambda sparse, keep: train.shuffle_batch([sparse], 2, 10, 1, enqueue_many=True),
    "shuffle_batch_join": lambda sparse, keep: train.shuffle_batch_join([[sparse]], 2, 10, 1, enqueue_many=True),
    "maybe_batch": lambda sparse, keep: train.maybe_batch([sparse], keep, 2, enqueue_many=True),
    "maybe_batch_join": lambda sparse, keep: train.maybe_batch_join([[sparse]], keep, 2, enqueue_many=True),
    "maybe_shuffle_batch": lambda sparse, keep: train.maybe_shuffle_batch([sparse], 2, 10, 1, keep, enqueue_many=True),
    "maybe_shuffle_batch_join": lambda sparse, keep: train.maybe_shuffle_batch_join(
        [[sparse]], 2, 10, 1, keep, enqueue_many=True
    ),
}


@pytest.mark.parametrize("keep", [True, [True, False, True]], ids=["all", "each"])
@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES.keys())
def test_many_sparse_examples_keep_the_rank_of_what_holds_them(make: Callable[..., SparseTensor], keep: Any) -> None:
    """B15.16"""
    for rank in (1, 2, 3):
        sparse = SparseTensor(tf.zeros([2, rank], tf.int64), [1.0, 2.0], [3] * rank)
        assert make(sparse, keep).dense_shape.shape == (rank,)
    assert make(of_unknown_rank(), keep).dense_shape.shape.as_list() == [None]


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES.keys())
def test_a_sparse_vector_cannot_be_run_as_many_examples(target: str, make: Callable[..., SparseTensor]) -> None:
    """B15.16: what it would be divided into are scalars."""
    batch = make(SparseTensor([[0], [2]], [1.0, 2.0], [3]), [True, False, True])
    with tf.Session(target, config=LIMIT) as sess:
        coord = train.Coordinator()
        start(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(batch.values)
        with pytest.raises(tf.errors.InvalidArgumentError, match="should be > 1, but saw rank: 1"):
            coord.join(stop_grace_period_secs=20)


@pytest.mark.parametrize("values", [[1.5], ["text"], [], [True, False]], ids=["number", "text", "nothing", "twice"])
def test_sparse_scalars_become_a_sparse_vector(target: str, values: list[Any]) -> None:
    """B15.16"""
    scalar = SparseTensor(tf.zeros([len(values), 0], tf.int64), values, tf.zeros([0], tf.int64))
    batch = train.batch([scalar], 3)
    assert batch.dense_shape.shape == (1,)
    with running(target) as (sess, _):
        found = sess.run(parts(batch))
    want = sorted([at] for at in range(3) for _ in values)
    equal(found, want, [value.encode() if isinstance(value, str) else value for value in values] * 3, [3])


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool", "complex128", "string", "bfloat16"])
def test_a_serialized_sparse_tensor_comes_back_as_it_was(target: str, dtype: str) -> None:
    """B15.16"""
    values = {"bool": [True, False], "string": ["x", "long text"]}.get(dtype, [1, 2])
    sparse = SparseTensor([[0, 1], [1, 3]], tf.constant(values, dtype), [2, 5])
    row = serialize_sparse(sparse)
    stacked = deserialize_many_sparse(tf.stack([row, row]), dtype, 3)
    whole = deserialize_many_sparse(serialize_many_sparse(sparse), dtype)
    nothing = deserialize_many_sparse(tf.constant(np.empty((0, 3), object)), dtype, 3)
    assert (row.shape, stacked.dense_shape.shape) == ((3,), (3,))
    with tf.Session(target) as sess:
        want, twice, again, empty = sess.run([parts(one) for one in (sparse, stacked, whole, nothing)])
    assert twice.values.dtype == want.values.dtype
    equal(twice, [[0, 0, 1], [0, 1, 3], [1, 0, 1], [1, 1, 3]], [*want.values.tolist()] * 2, [2, 2, 5])
    equal(again, want.indices.tolist(), want.values.tolist(), [2, 5])
    equal(empty, [], [], [0, 0, 0])


@pytest.mark.parametrize(
    "strings",
    [
        [["", "", "x"]],
        [["", "1234", "12345678"]],
        [["12345678", "", "12345678"]],
        [["12345678", "1234", ""]],
        [["", "", "12345678"], ["", "", "1234567812345678"]],
    ],
)
def test_strings_that_are_no_sparse_tensors_are_an_error(target: str, strings: list[list[str]]) -> None:
    """B15.16"""
    sparse = deserialize_many_sparse(strings, tf.float32)
    with tf.Session(target) as sess, pytest.raises(tf.errors.InvalidArgumentError, match="sparse tensor"):
        sess.run(sparse.values)
