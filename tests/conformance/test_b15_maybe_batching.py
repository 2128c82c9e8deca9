"""Batches of some of the examples, in this process and on a cluster.  Statement ids: B15."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf
from dflow import train
from tests.conformance.inputs import LIMIT, as_lists, numbers, rest, running, start


def test_an_example_is_kept_or_dropped_by_a_bool(target: str) -> None:
    """B15.14"""
    number = numbers(10)
    batch = train.maybe_batch([number, number * 10], tf.equal(number % 3, 0), 2, allow_smaller_final_batch=True)
    with running(target) as (sess, _):
        found = rest(sess, batch)
    assert as_lists([pair[0] for pair in found]) == [[0, 3], [6, 9]]
    assert as_lists([pair[1] for pair in found]) == [[0, 30], [60, 90]]


def test_many_examples_are_kept_or_dropped_together_by_a_bool_and_one_by_one_by_a_vector(target: str) -> None:
    """B15.14"""
    number = numbers(4)
    pair = tf.stack([number, number + 10])
    together = train.maybe_batch([pair], tf.equal(number % 2, 0), 2, enqueue_many=True)
    other = numbers(4)
    apart = train.maybe_batch(
        [tf.stack([other, other + 10])], tf.stack([tf.equal(other % 2, 0), tf.constant(True)]), 2, enqueue_many=True
    )
    with running(target) as (sess, _):
        assert as_lists(rest(sess, together)) == [[0, 10], [2, 12]]
        assert as_lists(rest(sess, apart)) == [[0, 10], [11, 2], [12, 13]]


@pytest.mark.parametrize("many", [False, True])
def test_what_is_known_to_be_kept_is_put_in_plainly_and_what_is_not_is_never_put_in(many: bool) -> None:
    """B15.14"""
    train.maybe_batch([[1, 2]], True, 2, enqueue_many=many)
    assert tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)[-1].enqueue_ops[0].name == (
        "batch/fifo_queue_EnqueueMany" if many else "batch/fifo_queue_enqueue"
    )
    train.maybe_batch([[1, 2]], tf.constant(False), 2, enqueue_many=many)
    assert tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)[-1].enqueue_ops[0].type == "NoOp"


def test_the_arguments_of_all_functions_are_in_the_order_of_tensorflow(target: str) -> None:
    """B15.15, B15.17"""
    number = numbers(48, None)
    even = tf.equal(number % 2, 0)
    shapes = [()]
    found = {
        "batch": train.batch([number], 2, 1, 7, False, shapes, False, True, "a", "one"),
        "maybe_batch": train.maybe_batch([number], even, 2, 1, 7, False, shapes, False, True, "b", "two"),
        "batch_join": train.batch_join([[number]], 2, 7, False, shapes, False, True, "c", "three"),
        "maybe_batch_join": train.maybe_batch_join([[number]], even, 2, 7, False, shapes, False, True, "d", "four"),
        "shuffle_batch": train.shuffle_batch([number], 2, 7, 1, 1, 3, False, shapes, True, "e", "five"),
        "maybe_shuffle_batch": train.maybe_shuffle_batch(
            [number], 2, 7, 1, even, 1, 3, False, shapes, True, "f", "six"
        ),
        "shuffle_batch_join": train.shuffle_batch_join([[number]], 2, 7, 1, 3, False, shapes, True, "g", "seven"),
        "maybe_shuffle_batch_join": train.maybe_shuffle_batch_join(
            [[number]], 2, 7, 1, even, 3, False, shapes, True, "h", "eight"
        ),
    }
    runners = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)[1:]
    assert [runner.queue.spec.shared_name for runner in runners] == list("abcdefgh")
    assert {runner.queue.spec.capacity for runner in runners} == {7}
    assert [batch.op.name for batch in found.values()] == [
        *("one", "two", "three", "four", "five", "six", "seven", "eight")
    ]
    with running(target) as (sess, _):
        for name, batch in found.items():
            assert name.startswith("maybe") <= all(value % 2 == 0 for value in sess.run(batch))


def unknown(values: Any) -> tf.Tensor:
    """A tensor whose first size is known when it is there."""
    values = np.asarray(values)
    return tf.placeholder_with_default(values, [None, *values.shape[1:]])


@pytest.mark.parametrize(
    ("tensors", "keep"),
    [
        (lambda: [unknown([1, 2, 3])], [True, False]),
        (lambda: [unknown([1, 2, 3])], [True, False, True, False]),
        (lambda: [unknown([1, 2]), unknown([1, 2, 3])], [True, False]),
        (lambda: [tf.SparseTensor([[0, 1], [2, 0]], [1.0, 2.0], [3, 2])], [True, False]),
        (lambda: [unknown([1, 2]), unknown([1, 2, 3])], None),
    ],
    ids=["fewer", "more", "than the second tensor", "than a sparse tensor", "a scalar"],
)
def test_an_example_without_a_bool_is_an_error_and_is_not_left_out(
    target: str, tensors: Callable[[], list[Any]], keep: list[bool] | None
) -> None:
    """B15.14"""
    asked = tf.placeholder_with_default(True, []) if keep is None else unknown(keep)
    batch = train.maybe_batch(tensors(), asked, 1, enqueue_many=True)
    with tf.Session(target, config=LIMIT) as sess:
        coord = train.Coordinator()
        start(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(batch)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"keep_input. is for .* examples, the tensors hold"):
            coord.join(stop_grace_period_secs=20)


def test_bools_and_examples_of_known_numbers_need_no_check() -> None:
    """B15.14"""
    for keep in (tf.equal([1, 0, 1], 1), tf.placeholder(tf.bool, [])):
        train.maybe_batch([[1, 2, 3], [[1], [2], [3]]], keep, 2, enqueue_many=True)
    train.maybe_batch([1, [2, 3]], tf.placeholder(tf.bool, []), 2)
    train.maybe_batch([unknown([1, 2])], tf.placeholder(tf.bool, []), 2, enqueue_many=True)
    assert "Assert" not in {op.type for op in tf.get_default_graph().get_operations()}
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        train.maybe_batch([[1, 2, 3]], [True, False], 2, enqueue_many=True)


@pytest.mark.parametrize(
    ("keep", "many", "text"),
    [
        (lambda: tf.constant([True]), False, "`keep_input` cannot be a vector"),
        (lambda: [[True]], True, "must be 0 or 1 dimensions"),
        (lambda: tf.placeholder("bool"), False, "dimensions must be known at graph construction"),
        (lambda: tf.placeholder("bool"), True, "dimensions must be known at graph construction"),
    ],
)
def test_what_cannot_say_which_examples_are_kept_is_an_error(keep: Callable[[], Any], many: bool, text: str) -> None:
    """B15.14"""
    for make in (
        lambda: train.maybe_batch([[1]], keep(), 2, enqueue_many=many),
        lambda: train.maybe_batch_join([[[1]]], keep(), 2, enqueue_many=many),
        lambda: train.maybe_shuffle_batch([[1]], 2, 9, 1, keep(), enqueue_many=many),
        lambda: train.maybe_shuffle_batch_join([[[1]]], 2, 9, 1, keep(), enqueue_many=many),
    ):
        with pytest.raises(ValueError, match=text):
            make()
