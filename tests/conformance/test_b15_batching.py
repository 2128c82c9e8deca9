"""Batches of examples, in this process and on a cluster.  Statement ids: B15, Q3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf
from dflow import train
from tests.conformance.inputs import LIMIT, as_lists, numbers, rest, running, the_queue

# -- batch


def test_a_batch_has_the_structure_of_one_example(target: str) -> None:
    """B15.1, B15.3"""
    number = numbers(8, None)
    name = tf.constant("x")
    as_list = train.batch([number, name], 2)
    as_tensor = train.batch((number,), 2)
    as_dict = train.batch({"number": number, "constant": [1.0, 2.0]}, 2)
    one = train.batch({"z": number}, 2)
    assert type(as_list) is list
    assert [tensor.shape for tensor in as_list] == [(2,), (2,)]
    assert isinstance(as_tensor, tf.Tensor)
    assert {key: tensor.shape for key, tensor in as_dict.items()} == {"number": (2,), "constant": (2, 2)}
    assert list(one) == ["z"]
    with running(target) as (sess, _):
        found, named = sess.run([as_dict, as_list])
    assert found["constant"].tolist() == [[1.0, 2.0], [1.0, 2.0]]
    assert named[1].tolist() == [b"x", b"x"]


def test_batches_come_in_order_and_an_incomplete_one_stays_in_the_queue(target: str) -> None:
    """B15.1, B15.4"""
    batch = train.batch([numbers(10)], 4)
    size = the_queue().size()
    with running(target) as (sess, _):
        assert as_lists(rest(sess, batch)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
        assert sess.run(size) == 2


def test_a_smaller_final_batch_is_given_if_that_is_allowed(target: str) -> None:
    """B15.3, B15.4"""
    number = numbers(10)
    batch = train.batch([number, number * 2], 4, allow_smaller_final_batch=True)
    assert [tensor.shape.as_list() for tensor in batch] == [[None], [None]]
    with running(target) as (sess, _):
        found = rest(sess, batch)
    assert as_lists([pair[0] for pair in found]) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert as_lists([pair[1] for pair in found])[2] == [16, 18]


def test_many_examples_may_be_put_in_at_once(target: str) -> None:
    """B15.5"""
    number = numbers(3)
    batch = train.batch([tf.stack([number, number + 10]), [[1, 2, 3], [4, 5, 6]]], 3, enqueue_many=True)
    assert [tensor.shape for tensor in batch] == [(3,), (3, 3)]
    with running(target) as (sess, _):
        found = rest(sess, batch)
    assert as_lists([pair[0] for pair in found]) == [[0, 10, 1], [11, 2, 12]]
    assert found[0][1].tolist() == [[1, 2, 3], [4, 5, 6], [1, 2, 3]]


def test_several_threads_put_in_every_example_once(target: str) -> None:
    """B15.8"""
    batch = train.batch([numbers(40)], 8, num_threads=4)
    runner = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)[-1]
    assert len(runner.enqueue_ops) == 4
    assert len(set(runner.enqueue_ops)) == 1
    with running(target) as (sess, _):
        found = rest(sess, batch)
    assert sorted(np.concatenate(found).tolist()) == list(range(40))


def test_a_queue_may_be_smaller_than_a_batch(target: str) -> None:
    """B15.9, Q3.9"""
    batch = train.batch([numbers(12)], 6, capacity=2)
    assert the_queue().spec.capacity == 2
    with running(target) as (sess, _):
        assert as_lists(rest(sess, batch)) == [list(range(6)), list(range(6, 12))]


def test_padded_batches_have_the_sizes_of_their_own_longest_example(target: str) -> None:
    """B15.7"""
    number = numbers(4)
    ones = tf.fill(tf.stack([number, 2]), "x")
    ones.set_shape([None, 2])
    batch = train.batch([tf.range(number), ones], 2, dynamic_pad=True)
    assert [tensor.shape.as_list() for tensor in batch] == [[2, None], [2, None, 2]]
    assert the_queue().op.type == "PaddingFIFOQueueV2"
    with running(target) as (sess, _):
        (small, text), (large, _) = rest(sess, batch)
    assert small.tolist() == [[0], [0]]
    assert text.tolist() == [[[b"", b""]], [[b"x", b"x"]]]
    assert large.tolist() == [[0, 1, 0], [0, 1, 2]]


@pytest.mark.parametrize("dtype", ["uint32", "uint64", "float16", "bool", "string", "complex64"])
def test_examples_of_every_dtype_come_out_as_they_went_in(target: str, dtype: str) -> None:
    """B15.21"""
    value: Any = {"bool": True, "string": "text"}.get(dtype, 7)
    batch = train.batch([tf.constant(value, dtype)], 2)
    assert batch.dtype == dtype
    with running(target) as (sess, _):
        assert sess.run(batch).tolist() == [b"text" if dtype == "string" else value] * 2


def test_the_number_of_examples_may_be_a_tensor(target: str) -> None:
    """B15.3"""
    size = tf.placeholder_with_default(3, [])
    batch = train.batch([numbers(100)], size)
    assert batch.shape.as_list() == [None]
    with running(target) as (sess, _):
        assert sess.run(batch).tolist() == [0, 1, 2]
        assert sess.run(batch, {size: 2}).tolist() == [3, 4]


# -- batch_join


def test_joined_sources_each_keep_their_order_and_none_is_left_out(target: str) -> None:
    """B15.10, B15.11"""
    first, second = numbers(50), numbers(50) + 1000
    batch = train.batch_join([[first, "first"], [second, "second"]], 10, capacity=5)
    with running(target) as (sess, _):
        found = rest(sess, batch)
    values = np.concatenate([batch[0] for batch in found]).tolist()
    names = np.concatenate([batch[1] for batch in found]).tolist()
    assert [value for value, name in zip(values, names, strict=True) if name == b"first"] == list(range(50))
    assert [value for value in values if value >= 1000] == list(range(1000, 1050))


def test_joined_sources_may_be_dicts(target: str) -> None:
    """B15.10"""
    batch = train.batch_join([{"a": numbers(3), "b": 1.0}, {"b": 2.0, "a": numbers(3)}], 6)
    with running(target) as (sess, _):
        found = sess.run(batch)
    assert sorted(zip(found["a"].tolist(), found["b"].tolist(), strict=True)) == [
        (n, b) for n in range(3) for b in (1.0, 2.0)
    ]


def test_the_keys_of_a_dict_may_be_of_any_types(target: str) -> None:
    """B15.1: the components of the queue are in the order of the texts of the keys."""
    example = {"z": 1, 1: [2.5], ("a", "b"): "x", 9: True, 10: 7}
    batches = [
        train.batch(example, 2, shapes=[(), (1,), (), (), ()]),
        train.batch_join([example, dict(reversed(example.items()))], 2),
        train.maybe_batch(example, tf.placeholder_with_default(True, []), 2),
    ]
    assert [dtype.name for dtype in the_queue().dtypes] == ["string", "float32", "int32", "bool", "int32"]
    with running(target) as (sess, _):
        for batch in batches:
            found = sess.run(batch)
            assert {key: value.tolist() for key, value in found.items()} == {
                "z": [1, 1],
                1: [[2.5], [2.5]],
                ("a", "b"): [b"x", b"x"],
                9: [True, True],
                10: [7, 7],
            }


def test_shapes_of_joined_sources_are_merged() -> None:
    """B15.10"""
    unknown = tf.placeholder(tf.int32, [None])
    assert train.batch_join([[unknown], [[1, 2]]], 3).shape == (3, 2)
    assert train.batch_join([[unknown], [[1, 2]]], 3, dynamic_pad=True).shape.as_list() == [3, None]
    for pad in (False, True):
        with pytest.raises(ValueError, match="not compatible"):
            train.batch_join([[[1]], [[1, 2]]], 3, dynamic_pad=pad)
        with pytest.raises(ValueError, match="not compatible"):
            train.batch_join([[[1]], [1]], 3, dynamic_pad=pad)


# -- shuffled


@pytest.mark.parametrize("smaller", [False, True])
def test_shuffled_batches_have_every_example_once_in_another_order(target: str, smaller: bool) -> None:
    """B15.12, B15.13"""
    number = numbers(45)
    batch = train.shuffle_batch([number, -number], 10, 32, 16, seed=3, allow_smaller_final_batch=smaller)
    with running(target) as (sess, _):
        found = rest(sess, batch)
    values = np.concatenate([pair[0] for pair in found])
    assert [len(pair[0]) for pair in found] == [10, 10, 10, 10, *([5] if smaller else [])]
    assert sorted(set(values.tolist())) == sorted(values.tolist())
    assert not smaller or sorted(values.tolist()) == list(range(45))
    assert values.tolist() != sorted(values.tolist())
    np.testing.assert_array_equal(values, -np.concatenate([pair[1] for pair in found]))


def test_shuffled_sources_are_joined(target: str) -> None:
    """B15.11, B15.13"""
    sources = [{"value": numbers(20) + 100 * i} for i in range(3)]
    batch = train.shuffle_batch_join(sources, 12, capacity=30, min_after_dequeue=10, seed=1)
    with running(target) as (sess, _):
        values = np.concatenate([found["value"] for found in rest(sess, batch)]).tolist()
    assert sorted(values) == [i * 100 + n for i in range(3) for n in range(20)]
    assert values != sorted(values)


def test_a_shuffling_queue_needs_room_beyond_its_reserve() -> None:
    """B15.12"""
    for capacity in (5, 4):
        with pytest.raises(ValueError, match=f"capacity {capacity} must be bigger than min_after_dequeue 5"):
            train.shuffle_batch([1], 2, capacity, 5)
        with pytest.raises(ValueError, match="must be bigger than"):
            train.maybe_shuffle_batch_join([[1]], 2, capacity, 5, True)


# -- errors of the program


def test_a_batch_needs_a_list_of_tensors() -> None:
    """B15.2"""
    with pytest.raises(TypeError, match="not iterable"):
        train.batch(tf.constant([1, 2]), 2)  # type: ignore[arg-type]
    for empty in ([], {}, ()):
        with pytest.raises(ValueError, match="at least one tensor"):
            train.batch(empty, 2)
    with pytest.raises(ValueError, match="at least one set of tensors"):
        train.batch_join([], 2)


def test_shapes_must_be_known_unless_they_are_given_or_padded() -> None:
    """B15.6"""
    unknown, partly = tf.placeholder(tf.int32), tf.placeholder(tf.int32, [None, 3])
    for pad in (False, True):
        with pytest.raises(ValueError, match="Cannot infer Tensor's rank"):
            train.batch([unknown], 2, dynamic_pad=pad)
    with pytest.raises(ValueError, match="Cannot infer Tensor's rank"):
        train.shuffle_batch([unknown], 2, 9, 1)
    with pytest.raises(ValueError, match="All shapes must be fully defined"):
        train.batch([partly], 2)
    assert train.batch([unknown], 2, shapes=(4,)).shape == (2, 4)
    assert train.batch([partly], 2, shapes=[(4, 3)]).shape == (2, 4, 3)
    assert train.batch([partly], 2, enqueue_many=True).shape == (2, 3)
    assert train.maybe_batch([unknown], tf.placeholder("bool", []), 2, shapes=(4,)).shape == (2, 4)
    with pytest.raises(ValueError, match="rank at least 1"):
        train.batch([3], 2, enqueue_many=True)
    with pytest.raises(ValueError, match="same length as dtypes"):
        train.batch([partly], 2, shapes=[(4, 3), ()])


def test_joined_sources_must_be_alike() -> None:
    """B15.10"""
    with pytest.raises(TypeError, match=r"consistent: int32 vs\. float32"):
        train.batch_join([[1], [1.0]], 2)
    with pytest.raises(TypeError, match="consistent"):
        train.batch_join([[1], [1, 2]], 2)
    for other in ({"b": 1}, {"a": 1, "b": 1}, [1]):
        with pytest.raises(ValueError, match="must have the same keys"):
            train.batch_join([{"a": 1}, other], 2)  # type: ignore[list-item]


def test_a_source_that_fails_ends_the_input_and_is_the_reason_of_the_stop(target: str) -> None:
    """B15.20"""
    batch = train.batch([tf.placeholder(tf.float32, [], name="unfed")], 2)
    with tf.Session(target, config=LIMIT) as sess:
        coord = train.Coordinator()
        train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(batch)
        with pytest.raises(tf.errors.InvalidArgumentError, match="unfed"):
            coord.join()


# -- names


@pytest.mark.parametrize(
    ("make", "scope", "queue"),
    [
        (lambda: train.batch([1], 2), "batch", "fifo_queue"),
        (lambda: train.batch([1], 2, dynamic_pad=True), "batch", "padding_fifo_queue"),
        (lambda: train.maybe_batch([1], True, 2), "batch", "fifo_queue"),
        (lambda: train.batch_join([[1]], 2), "batch_join", "fifo_queue"),
        (lambda: train.maybe_batch_join([[1]], True, 2), "batch_join", "fifo_queue"),
        (lambda: train.shuffle_batch([1], 2, 9, 1), "shuffle_batch", "random_shuffle_queue"),
        (lambda: train.maybe_shuffle_batch([1], 2, 9, 1, True), "shuffle_batch", "random_shuffle_queue"),
        (lambda: train.shuffle_batch_join([[1]], 2, 9, 1), "shuffle_batch_join", "random_shuffle_queue"),
        (lambda: train.maybe_shuffle_batch_join([[1]], 2, 9, 1, True), "shuffle_batch_join", "random_shuffle_queue"),
    ],
)
def test_the_result_is_called_as_its_scope_and_the_queue_lies_in_it(
    make: Callable[[], tf.Tensor], scope: str, queue: str
) -> None:
    """B15.17, B15.19"""
    for name in (scope, f"{scope}_1"):
        assert make().name == f"{name}:0"
        (runner,) = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS, name + "/")
        assert runner.queue.name == f"{name}/{queue}"
        assert runner.enqueue_ops[0].name == f"{name}/{queue}_enqueue"
        assert (runner.close_op.name, runner.cancel_op.name) == (f"{name}/{queue}_Close", f"{name}/{queue}_Close_1")
