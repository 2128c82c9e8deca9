"""Queues of input that queue runners fill, in this process and on a cluster.  Statement ids: I14."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import dflow as tf
from dflow import train
from tests.conformance.inputs import LIMIT, rest, running, the_queue
from tests.conformance.programs import until


def op_names() -> set[str]:
    return {op.name for op in tf.get_default_graph().get_operations()}


# -- input_producer


def test_a_producer_is_a_queue_of_the_rows_and_ends_after_its_epochs(target: str) -> None:
    """I14.1, I14.3, I14.8"""
    queue = train.input_producer([[1, 2], [3, 4]], num_epochs=2, shuffle=False)
    row, size = queue.dequeue(), queue.size()
    assert isinstance(queue, tf.FIFOQueue)
    assert (queue.dtypes, queue.shapes) == ([tf.int32], [(2,)])
    with running(target) as (sess, _):
        assert [list(found) for found in rest(sess, row)] == [[1, 2], [3, 4], [1, 2], [3, 4]]
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(row)
        assert sess.run(size) == 0


def test_all_arguments_of_a_producer_are_in_the_order_of_tensorflow() -> None:
    """I14.1, I14.12"""
    cancel = tf.no_op()
    queue = train.input_producer([[1.0]], (1,), 2, False, 7, 5, "shared", "summary", "rows", cancel)
    runner = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)[0]
    assert (queue.spec.capacity, queue.spec.shared_name, queue.name) == (5, "shared", "rows/rows")
    assert runner.queue is queue
    assert runner.cancel_op is cancel


def test_a_row_has_the_shape_of_the_tensor_or_the_one_that_is_said() -> None:
    """I14.2"""
    unknown = tf.placeholder(tf.float32)
    partly = tf.placeholder(tf.float32, [None, None, 3])
    assert train.input_producer(unknown, [2]).shapes == [(2,)]
    assert train.input_producer(partly, [2, 3]).shapes == [(2, 3)]
    for tensor, shape in ((unknown, None), (partly, None), (partly, [None, 3])):
        with pytest.raises(ValueError, match="fully defined shape"):
            train.input_producer(tensor, shape)
    with pytest.raises(ValueError, match="not compatible"):
        train.input_producer(partly, [2, 4])
    with pytest.raises(ValueError, match="rank at least 1"):
        train.input_producer(3)


def test_names_of_a_producer_are_those_of_tensorflow() -> None:
    """I14.4, I14.12"""
    queue = train.input_producer([1, 2, 3], num_epochs=2)
    assert queue.name == "input_producer/FIFOQueueV2"
    assert {
        "input_producer/RandomShuffle",
        "input_producer/limit_epochs/epochs",
        "input_producer/limit_epochs/CountUpTo",
        "input_producer/limit_epochs",
        "input_producer/FIFOQueueV2_EnqueueMany",
        "input_producer/FIFOQueueV2_Close",
        "input_producer/FIFOQueueV2_Close_1",
    } <= op_names()
    assert train.string_input_producer(["a"], num_epochs=1).name == "input_producer_1"
    assert {"input_producer_1/limit_epochs/epochs", "input_producer_1/input_producer_1_EnqueueMany"} <= op_names()
    assert train.range_input_producer(3, name="numbers").name == "numbers"
    train.slice_input_producer([[1, 2]], name="slices")
    assert {"slices/input_producer", "slices/input_producer_Dequeue"} <= op_names()
    train.string_input_producer(["a"], name="files", shared_name="all files")
    assert (the_queue().name, the_queue().spec.shared_name) == ("files", "all files")
    train.slice_input_producer([[1, 2]], shared_name="indices")
    assert the_queue().spec.shared_name == "indices"


@pytest.mark.parametrize(
    "make",
    [
        lambda epochs: train.input_producer([1], num_epochs=epochs),
        lambda epochs: train.string_input_producer(["a"], epochs),
        lambda epochs: train.range_input_producer(3, epochs),
        lambda epochs: train.slice_input_producer([[1]], epochs),
        lambda epochs: train.limit_epochs([1], epochs),
    ],
)
def test_a_limit_is_a_local_int64_variable_and_no_limit_is_none(make: Callable[[Any], Any]) -> None:
    """I14.4, I14.6"""
    make(None)
    assert tf.local_variables() == []
    make(1)
    (epochs,) = tf.local_variables()
    assert epochs.dtype == tf.int64
    assert epochs.op.name.endswith("limit_epochs/epochs") or epochs.op.name.endswith("limit_epochs_1/epochs")
    assert tf.global_variables() == tf.trainable_variables() == []
    for bad in (0, -1):
        with pytest.raises(ValueError, match="num_epochs must be > 0"):
            make(bad)


def test_a_counter_that_is_not_initialized_fails_the_runner_and_ends_the_input(target: str) -> None:
    """I14.5"""
    row = train.input_producer([1, 2], num_epochs=1).dequeue()
    with tf.Session(target, config=LIMIT) as sess:
        coord = train.Coordinator()
        train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(row)
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
            coord.join()


def test_without_a_limit_the_rows_come_again_and_again(target: str) -> None:
    """I14.6, I14.8"""
    rows = train.input_producer([1, 2, 3], shuffle=False, capacity=2).dequeue_many(3)
    with running(target) as (sess, _):
        for _ in range(20):
            assert list(sess.run(rows)) == [1, 2, 3]


def test_each_epoch_has_every_row_once_in_an_order_of_its_own(target: str) -> None:
    """I14.7"""
    rows = train.range_input_producer(3, num_epochs=600, seed=5).dequeue_many(1800)
    with running(target) as (sess, _):
        orders = Counter(tuple(order) for order in sess.run(rows).reshape(600, 3).tolist())
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2)}
    assert len(orders) == 6
    assert all(60 <= count <= 140 for count in orders.values())


def test_the_same_seed_gives_the_same_sequence(target: str) -> None:
    """I14.7"""
    same = [train.range_input_producer(100, seed=seed).dequeue_many(300) for seed in (1, 1, 2)]
    with running(target) as (sess, _):
        first, again, other = sess.run(same)
    np.testing.assert_array_equal(first, again)
    assert list(first) != list(other)


def test_many_epochs_of_more_than_the_capacity_come_complete(target: str) -> None:
    """I14.17"""
    words = [b"to", b"be", b"or", b"not", b"to", b"be"]
    queue = train.string_input_producer(words, num_epochs=600, shuffle=False)
    epoch = queue.dequeue_many(60)
    with running(target) as (sess, _):
        found = rest(sess, epoch)
    assert len(found) == 60
    assert all(list(ten) == words * 10 for ten in found)


def test_the_graph_may_grow_while_the_runners_run(target: str) -> None:
    """I14.14"""
    queue = train.range_input_producer(3, shuffle=False)
    with running(target) as (sess, _):
        assert [sess.run(queue.dequeue()) for _ in range(6)] == [0, 1, 2, 0, 1, 2]
        assert list(sess.run(queue.dequeue_many(3))) == [0, 1, 2]


# -- limit_epochs


def test_limit_epochs_gives_the_tensor_itself_and_then_says_out_of_range(target: str) -> None:
    """I14.15"""
    tensor = tf.constant([1, 2])
    assert train.limit_epochs(tensor) is tensor
    limited = train.limit_epochs(tensor, 2, name="twice")
    assert limited.op.name == "twice"
    with tf.Session(target, config=LIMIT) as sess:
        sess.run(tf.local_variables_initializer())
        assert [list(found) for found in rest(sess, limited)] == [[1, 2], [1, 2]]


# -- strings, ranges, slices


def test_an_empty_list_of_strings_is_an_error_of_the_program() -> None:
    """I14.9"""
    for empty in ([], (), np.array([], dtype=object)):
        with pytest.raises(ValueError, match="requires a non-null input tensor"):
            train.string_input_producer(empty)
    with pytest.raises(TypeError):
        train.string_input_producer([1, 2])


def test_a_tensor_without_strings_fails_the_runner_and_ends_the_input(target: str) -> None:
    """I14.9"""
    name = train.string_input_producer(tf.constant([], tf.string), num_epochs=1).dequeue()
    with tf.Session(target, config=LIMIT) as sess:
        sess.run(tf.local_variables_initializer())
        coord = train.Coordinator()
        train.start_queue_runners(sess, coord)
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(name)
        with pytest.raises(tf.errors.InvalidArgumentError, match="requires a non-null input tensor"):
            coord.join()


def test_a_range_is_of_int32_unless_its_limit_is_of_another_dtype(target: str) -> None:
    """I14.10"""
    queue = train.range_input_producer(4, num_epochs=1, shuffle=False)
    assert queue.dtypes == [tf.int32]
    assert train.range_input_producer(tf.constant(4, tf.int64)).dtypes == [tf.int64]
    number = queue.dequeue()
    with running(target) as (sess, _):
        assert rest(sess, number) == [0, 1, 2, 3]


def test_slices_of_several_tensors_belong_together(target: str) -> None:
    """I14.11"""
    names = tf.constant(["a", "b", "c"])
    slices = train.slice_input_producer([names, [10, 20, 30], [[1.0], [2.0], [3.0]]], num_epochs=2)
    assert [tensor.shape for tensor in slices] == [(), (), (1,)]
    with running(target) as (sess, _):
        found = [(name, int(number), float(value[0])) for name, number, value in rest(sess, slices)]
    epoch = [(b"a", 10, 1.0), (b"b", 20, 2.0), (b"c", 30, 3.0)]
    assert sorted(found[:3]) == sorted(found[3:]) == epoch


def test_slices_need_a_list_of_tensors_with_a_first_axis() -> None:
    """I14.11"""
    with pytest.raises(ValueError, match="Expected at least one tensor in slice_input_producer"):
        train.slice_input_producer([])
    with pytest.raises(TypeError):
        train.slice_input_producer(tf.constant([1, 2]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out of bounds"):
        train.slice_input_producer([tf.constant(1)])


# -- files


def test_files_are_matched_when_the_local_variables_are_initialized(target: str, tmp_path: Path) -> None:
    """I14.16"""
    files = train.match_filenames_once([str(tmp_path / "*.csv"), str(tmp_path / "a.???")])
    names = train.string_input_producer(files, num_epochs=1, shuffle=False).dequeue()
    assert tf.local_variables()[0] is files
    assert tf.trainable_variables() == tf.global_variables() == []
    assert files.op.name == "matching_filenames"
    for name in ("b.csv", "a.txt", ".a.csv", "c.json"):
        (tmp_path / name).touch()
    with running(target) as (sess, _):
        (tmp_path / "d.csv").touch()
        wanted = [str(tmp_path / name).encode() for name in (".a.csv", "a.txt", "b.csv")]
        assert list(sess.run(files)) == wanted
        assert rest(sess, names) == wanted


def test_a_pattern_of_a_relative_path_gives_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I14.16"""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").touch()
    monkeypatch.chdir(tmp_path)
    files = train.match_filenames_once("data/*", name="found")
    assert files.op.name == "found"
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        assert list(sess.run(files)) == [b"data/x.txt"]


def test_a_pattern_may_be_of_any_file_system_and_match_nothing() -> None:
    """I14.16"""
    with fsspec.open("memory://dflow-test/one.txt", "w") as file:
        file.write("1")
    files = [train.match_filenames_once(f"memory://dflow-test/{name}") for name in ("*.txt", "*.csv")]
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        assert [list(found) for found in sess.run(files)] == [[b"memory:///dflow-test/one.txt"], []]
    with pytest.raises(TypeError):
        train.match_filenames_once(5)


def test_how_full_a_queue_is_is_asked_of_the_queue_as_there_are_no_summaries(target: str) -> None:
    """I14.13, B15.18: a departure; TensorFlow adds a summary of this share, named `fraction_of_..._full`."""
    numbers = train.input_producer([1, 2, 3], capacity=4, summary_name="fraction_of_4_full")
    train.batch([numbers.dequeue()], 2, capacity=8)
    train.shuffle_batch([1], 2, 9, 1)
    assert [name for name in op_names() if "fraction" in name or "ummary" in name] == []
    queue = the_queue()
    share = tf.cast(queue.size(), tf.float32) / queue.spec.capacity
    with running(target) as (sess, _):
        until(lambda: sess.run(share) == 1.0)


def test_sessions_count_epochs_for_themselves(target: str) -> None:
    """I14.4; on a cluster, a program must not end because another one of the same names has read its files."""
    producer = tf.train.range_input_producer(3, num_epochs=1, shuffle=False)
    number = producer.dequeue()
    with tf.Session(target) as first, tf.Session(target) as second:
        for sess in (first, second):
            sess.run(tf.local_variables_initializer())
        for sess in (first, second):
            coord = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess, coord)
            assert [int(sess.run(number)) for _ in range(3)] == [0, 1, 2]
            coord.request_stop()
            coord.join(threads)


def test_epochs_that_a_session_did_not_initialize_are_an_error(target: str) -> None:
    """I14.4: also if another session of the same names did."""
    producer = tf.train.range_input_producer(3, num_epochs=1)
    with tf.Session(target) as first, tf.Session(target) as second:
        first.run(tf.local_variables_initializer())
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(second, coord)
        with pytest.raises(tf.errors.FailedPreconditionError, match="epochs"):
            coord.join(threads)
        assert second.run(producer.is_closed())
