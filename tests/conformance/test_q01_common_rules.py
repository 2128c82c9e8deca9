"""What all queues have in common: what they are made of, how they are called, what they hold.  Statements Q1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread
from tests.conformance.queue_kinds import KINDS, TYPES, Make, components, kinds, strict_kinds

NUMBERS = [
    tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64,
    tf.uint8, tf.uint16, tf.bool, tf.complex64, tf.complex128,
]  # fmt: skip


# -- what is built


@kinds
def test_dtypes_may_be_one_or_a_list_and_shapes_a_list(kind: str) -> None:
    """Q1.2, Q9.1"""
    extra = 1 if kind == "priority_queue" else 0
    one = KINDS[kind](10, tf.float32, [(2, 3)])
    two = KINDS[kind](10, ("int32", np.float64), ((), tf.TensorShape([4])), shared_name="s")
    assert one.dtypes[extra:] == [tf.float32]
    assert one.shapes[extra:] == [(2, 3)]
    assert two.dtypes[extra:] == [tf.int32, tf.float64]
    assert two.shapes[extra:] == [(), (4,)]
    assert (one.names, two.names) == (None, None)
    if extra:
        assert (one.dtypes[0], one.shapes[0]) == (tf.int64, ())


@strict_kinds
def test_one_flat_shape_is_that_of_the_only_component(kind: str) -> None:
    """Q1.2"""
    for shape in ((), (2, 3), [2, 3], tf.TensorShape([5]), (np.int64(2), np.int64(3))):
        assert KINDS[kind](10, tf.int32, shape).shapes[-1] == shape
    with pytest.raises(ValueError, match="Queue shapes must have the same length as dtypes"):
        KINDS[kind](10, [tf.int32, tf.int32], (2, 3))


@strict_kinds
def test_without_shapes_nothing_is_known_of_them(kind: str) -> None:
    """Q1.2, Q3.2, Q3.8"""
    queue = KINDS[kind](10, [tf.int32, tf.string])
    assert [shape.ndims for shape in queue.shapes[-2:]] == [None, None]
    for tensors in (queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)):
        assert [tensor.shape.ndims for tensor in tensors[-2:]] == [None, None]
        assert [tensor.dtype for tensor in tensors[-2:]] == [tf.int32, tf.string]


@kinds
def test_as_many_shapes_and_names_as_dtypes_are_needed(kind: str) -> None:
    """Q1.3, Q7.2, Q9.10"""
    with pytest.raises(ValueError, match=r"same length as dtypes|for all components"):
        KINDS[kind](10, [tf.int32, tf.int32], [()])
    with pytest.raises(ValueError, match="Queue names must have the same length as dtypes"):
        KINDS[kind](10, [tf.int32, tf.int32], [(), ()], names=["only"])


@strict_kinds
@pytest.mark.parametrize("shapes", [[(None,)], (None, 2), [None], tf.TensorShape(None), [tf.TensorShape([2, None])]])
def test_shapes_must_be_fully_defined(kind: str, shapes: Any) -> None:
    """Q1.4"""
    with pytest.raises(ValueError, match="fully defined"):
        KINDS[kind](10, tf.int32, shapes)


@strict_kinds
@pytest.mark.parametrize("shapes", ["text", 3, 2.5, {1: 2}])
def test_shapes_that_are_no_list_are_a_type_error(kind: str, shapes: Any) -> None:
    """Q1.5"""
    with pytest.raises(TypeError, match="shapes must be"):
        KINDS[kind](10, tf.int32, shapes)


@kinds
def test_a_queue_is_named_after_its_kind_and_its_scope(kind: str) -> None:
    """Q1.8, Q1.10"""
    make = KINDS[kind]
    first, second = make(10, tf.int32, [()]), make(10, tf.int32, [()])
    with tf.name_scope("outer"):
        third = make(10, tf.int32, [()], name="mine")
    assert [queue.name for queue in (first, second, third)] == [kind, f"{kind}_1", "outer/mine"]
    assert first.queue_ref.op is first.op
    assert first.op.type == TYPES[kind]
    assert make(10, tf.int32, [()], name=None).name == TYPES[kind], "as any operation that is given no name"


@kinds
def test_operations_are_named_after_the_last_part_of_the_queue(kind: str) -> None:
    """Q1.10"""
    with tf.name_scope("outer"):
        queue = KINDS[kind](10, tf.int32, [()], name="q")
    element, batch = components(kind, 1), [[value] for value in components(kind, 1)]
    made = [queue.enqueue(element), queue.enqueue_many(batch), queue.close(), queue.enqueue(element)]
    assert [op.name for op in made] == ["q_enqueue", "q_EnqueueMany", "q_Close", "q_enqueue_1"]
    outputs = [queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2), queue.size(), queue.is_closed()]
    names = [(output[0] if isinstance(output, list) else output).op.name for output in outputs]
    assert names == ["q_Dequeue", "q_DequeueMany", "q_DequeueUpTo", "q_Size", "q_Is_Closed"]
    assert made[0].inputs[1].op.name == "q_enqueue/component_0"
    assert queue.enqueue(element, name="my_own").name == "my_own"
    with tf.name_scope("there"):
        assert queue.size(name="s").op.name == "there/s"
        assert queue.size().op.name == "there/q_Size"


@kinds
def test_a_capacity_is_an_integer_and_a_queue_has_components(kind: str) -> None:
    """Q1.12"""
    assert KINDS[kind](-1, tf.int32, [()]).spec.capacity == -1
    with pytest.raises(TypeError):
        KINDS[kind](1.5, tf.int32, [()])
    if kind != "priority_queue":
        with pytest.raises(ValueError, match=r"no dtypes|list of shapes|same length"):
            KINDS[kind](10, [], [])


# -- what is in it


@kinds
def test_an_element_is_one_tensor_for_each_component(target: str, kind: str) -> None:
    """Q1.1"""
    queue = KINDS[kind](10, [tf.int32, tf.string, tf.float32], [(), (2,), (1, 2)])
    enqueue, dequeue = queue.enqueue(components(kind, 7, ["a", "b"], [[0.5, 1.5]])), queue.dequeue()
    with tf.Session(target) as sess:
        sess.run(enqueue)
        number, words, row = sess.run(dequeue)[-3:]
    assert (number, number.dtype) == (7, np.int32)
    assert words.tolist() == [b"a", b"b"]
    assert (row.tolist(), row.dtype) == ([[0.5, 1.5]], np.float32)


def test_the_size_counts_what_is_stored_and_nothing_that_a_waiting_batch_has_taken(target: str) -> None:
    """Q1.6"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    size, three = queue.size(), queue.dequeue_many(3)
    assert (size.dtype, size.shape) == (tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        assert sess.run(size) == 0
        put = in_thread(sess.run, queue.enqueue_many([[1, 2, 3, 4]]))
        waiting.enqueues(1)
        assert sess.run(size) == 2, "of an enqueue_many that waits, what is in counts"
        assert sess.run(three).tolist() == [1, 2, 3]
        put.result(30)
        assert sess.run(size) == 1
        taken = in_thread(sess.run, three)
        waiting.dequeues(1)
        assert sess.run(size) == 0, "of a dequeue_many that waits, what it has does not"
        sess.run(queue.enqueue_many([[5, 6]]))
        assert taken.result(30).tolist() == [4, 5, 6]


def test_a_queue_is_closed_once_the_close_took_effect_and_not_when_it_was_asked_for(target: str, make: Make) -> None:
    """Q1.7"""
    queue = make(1, tf.int32, ())
    closed = queue.is_closed()
    assert (closed.dtype, closed.shape) == (tf.bool, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue(1))
        put = in_thread(sess.run, queue.enqueue(2))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        assert not sess.run(closed)
        sess.run(queue.dequeue())
        put.result(30)
        close.result(30)
        assert sess.run(closed)


@kinds
def test_the_operation_of_the_handle_makes_the_queue_or_finds_it(target: str, kind: str) -> None:
    """Q1.8"""
    with tf.name_scope("scope"):
        queue = KINDS[kind](10, [tf.int32, tf.string], [(), (2,)], name="q")
    assert queue.queue_ref.op.name == queue.name == "scope/q"
    assert queue.dtypes[-2:] == [tf.int32, tf.string]
    assert queue.shapes[-2:] == [(), (2,)]
    assert queue.names is None
    with tf.Session(target) as sess:
        assert sess.run(queue.queue_ref.op) is None
        sess.run(queue.enqueue(components(kind, 1, ["a", "b"])))
        assert sess.run(queue.queue_ref.op) is None
        assert sess.run(queue.size()) == 1


def test_two_queues_without_a_shared_name_share_nothing_even_if_they_are_called_the_same(
    target: str, make: Make
) -> None:
    """Q1.9"""
    first, second = make(10, tf.int32, (), name="same"), make(10, tf.int32, (), name="same")
    with tf.Session(target) as sess:
        sess.run(first.enqueue(1))
        assert sess.run([first.size(), second.size()]) == [1, 0]
        sess.run(second.close())
        assert not sess.run(first.is_closed())


@kinds
def test_numbers_of_every_dtype_come_back_bit_equal(target: str, kind: str) -> None:
    """Q1.11"""
    values = [np.array([[0, 1], [1, 0]]).astype(dtype.numpy_dtype) for dtype in NUMBERS]
    feeds = [tf.placeholder(dtype, [2, 2]) for dtype in NUMBERS]
    queue = KINDS[kind](10, NUMBERS, [(2, 2)] * len(NUMBERS))
    enqueue, dequeue = queue.enqueue(components(kind, *feeds)), queue.dequeue()
    with tf.Session(target) as sess:
        sess.run(enqueue, dict(zip(feeds, values, strict=True)))
        found = sess.run(dequeue)[-len(NUMBERS) :]
    for value, same in zip(values, found, strict=True):
        assert same.dtype == value.dtype
        np.testing.assert_array_equal(same, value)


def test_strings_come_back_as_the_same_bytes(target: str, make: Make) -> None:
    """Q1.11"""
    values = ["", "a\0b", "\u00fc", b"\xff\xfe", "x" * 100_000]
    queue = make(10, tf.string, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([values]))
        found = sess.run(queue.dequeue_many(5)).tolist()
    assert sorted(found) == sorted(v.encode() if isinstance(v, str) else v for v in values)


def test_a_queue_without_bound_never_makes_an_enqueue_wait(target: str, make: Make) -> None:
    """Q1.12"""
    queue = make(-1, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([np.arange(2000)]))
        assert sess.run(queue.size()) == 2000
        assert sorted(sess.run(queue.dequeue_many(2000)).tolist()) == list(range(2000))


@pytest.mark.parametrize("kind", ["fifo_queue", "padding_fifo_queue", "priority_queue"])
def test_a_queue_of_capacity_zero_lets_nothing_in(target: str, kind: str) -> None:
    """Q1.12"""
    queue = KINDS[kind](0, tf.int32, [()])
    puts = [queue.enqueue(components(kind, 1)), queue.enqueue_many([[value] for value in components(kind, 1)])]
    with tf.Session(target) as sess:
        for put in puts:
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(put, options=SHORT)
        assert sess.run(queue.size()) == 0


def test_what_is_in_a_queue_stays_from_run_to_run(target: str, make: Make) -> None:
    """Q1.13"""
    queue = make(10, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue(1))
        size = sess.make_callable(queue.size())
        assert [int(size()) for _ in range(100)] == [1] * 100


@pytest.mark.parametrize("many_at_once", ["in", "out"])
def test_batches_of_thousands_pass_through_a_small_queue(target: str, make: Make, many_at_once: str) -> None:
    """Q1.14"""
    queue, number = make(10, tf.int32, ()), tf.placeholder(tf.int32, [None])
    enqueue, batch = queue.enqueue_many([number]), queue.dequeue_many(2_000 if many_at_once == "out" else 50)
    parts = 1 if many_at_once == "in" else 40
    with tf.Session(target) as sess:

        def produce() -> None:
            for part in np.split(np.arange(2_000), parts):
                sess.run(enqueue, {number: part})

        producer = in_thread(produce)
        found = [sess.run(batch) for _ in range(2_000 // int(batch.shape[0]))]
        producer.result(30)
    assert sorted(np.concatenate(found).tolist()) == list(range(2_000))
