"""How elements get into a queue.  Statements Q2."""

from __future__ import annotations

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import Waiting, in_thread
from tests.conformance.queue_kinds import KINDS, Make, components, kinds, strict_kinds

# -- what is built


@kinds
def test_values_become_tensors_of_their_component(kind: str) -> None:
    """Q2.1, Q2.2"""
    queue = KINDS[kind](10, [tf.float16, tf.string], [(), ()])
    op = queue.enqueue(components(kind, 1, "word"))
    assert isinstance(op, tf.Operation)
    assert op.outputs == ()
    assert op.inputs[0] is queue.queue_ref
    assert [tensor.dtype for tensor in op.inputs[1:]] == queue.dtypes
    op = queue.enqueue_many([[] for _ in queue.dtypes])
    assert [tensor.dtype for tensor in op.inputs[1:]] == queue.dtypes
    variable = tf.Variable(np.float16(2))
    assert queue.enqueue(components(kind, variable, "word")).inputs[-2].dtype == tf.float16


@kinds
def test_a_tensor_of_another_dtype_is_a_value_error_and_a_value_that_does_not_fit_a_type_error(kind: str) -> None:
    """Q2.2"""
    queue = KINDS[kind](10, tf.int32, [()])
    with pytest.raises(ValueError, match="Tensor conversion requested dtype int32"):
        queue.enqueue(components(kind, tf.constant(1.0)))
    for value in (1.5, "text", 2**40):
        with pytest.raises(TypeError):
            queue.enqueue(components(kind, value))


@kinds
def test_a_shape_that_cannot_fit_is_a_value_error_and_one_that_is_not_known_waits_for_the_run(kind: str) -> None:
    """Q2.3, Q7.3"""
    shape = (None, 3) if kind == "padding_fifo_queue" else (2, 3)
    queue = KINDS[kind](10, tf.float32, [shape])
    for wrong in ([3], [2, 4], [2, 3, 1]):
        with pytest.raises(ValueError, match="of queue"):
            queue.enqueue(components(kind, np.zeros(wrong, np.float32)))
        many = [np.zeros((2, *np.shape(value)), np.asarray(value).dtype) for value in components(kind)]
        with pytest.raises(ValueError, match="of queue"):
            queue.enqueue_many([*many, np.zeros((2, *wrong), np.float32)])
    for open_shape in (None, [None, 3], [2, None]):
        queue.enqueue(components(kind, tf.placeholder(tf.float32, open_shape)))
    priorities = [[1] * 5] if kind == "priority_queue" else []
    queue.enqueue_many([*priorities, np.zeros((5, 2, 3), np.float32)])


@kinds
def test_too_many_and_too_few_values_are_value_errors(kind: str) -> None:
    """Q2.6, D2"""
    queue = KINDS[kind](10, [tf.int32, tf.int32], [(), ()])
    for values in (components(kind, 1), components(kind, 1, 2, 3), 1, []):
        with pytest.raises(ValueError, match=rf"has {len(queue.dtypes)} components, got {np.size(values)} values"):
            queue.enqueue(values)


def test_a_list_holds_one_value_for_each_component_also_if_there_is_one_only() -> None:
    """Q2.1, D2"""
    queue = tf.FIFOQueue(10, tf.int32, (3,))
    for one in ([[1, 2, 3]], ([1, 2, 3],), np.array([1, 2, 3]), tf.constant([1, 2, 3])):
        assert queue.enqueue(one).inputs[1].shape == (3,)
    with pytest.raises(ValueError, match="got 3 values; a list or tuple holds one value per component"):
        queue.enqueue([1, 2, 3])


@kinds
def test_a_batch_has_a_leading_dimension_in_which_its_components_agree(kind: str) -> None:
    """Q2.7, Q2.8"""
    queue = KINDS[kind](10, [tf.int32, tf.int32, tf.int32], [(), (), ()])
    extra = [tf.placeholder(tf.int64)] if kind == "priority_queue" else []
    unknown = tf.placeholder(tf.int32)
    with pytest.raises(ValueError, match="leading dimension"):
        queue.enqueue_many([*extra, 1, 2, 3])
    for values in ([[1], [1, 2], [1]], [[1, 2], unknown, [1]]):
        with pytest.raises(ValueError, match=r"leading dimensions of the components differ: [12] and [12]"):
            queue.enqueue_many([*extra, *values])
    queue.enqueue_many([*extra, [1, 2], unknown, tf.placeholder(tf.int32, [None])])


# -- what is put in


@kinds
def test_an_enqueue_takes_a_list_or_a_dict_and_gives_none(target: str, kind: str) -> None:
    """Q2.1"""
    plain = KINDS[kind](10, [tf.int32, tf.float32], [(), ()])
    keys = components(kind, "x", "y") if kind != "priority_queue" else ["rank", "x", "y"]
    named = KINDS[kind](10, [tf.int32, tf.float32], [(), ()], names=keys)
    element = components(kind, 1, 2.0)
    batch = [[value] for value in element]
    puts = [plain.enqueue(element), plain.enqueue(tuple(element)), plain.enqueue_many(batch)]
    puts += [named.enqueue(dict(zip(keys, element, strict=True)))]
    puts += [named.enqueue_many(dict(zip(keys, batch, strict=True)))]
    with tf.Session(target) as sess:
        assert [sess.run(put) for put in puts] == [None] * 5
        assert sess.run([plain.size(), named.size()]) == [3, 2]


def test_the_slices_of_a_batch_are_its_elements(target: str) -> None:
    """Q2.7"""
    queue = tf.FIFOQueue(10, [tf.int32, tf.string], [(2,), ()])
    dequeue = queue.dequeue()
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[[1, 2], [3, 4], [5, 6]], ["a", "b", "c"]]))
        found = [sess.run(dequeue) for _ in range(3)]
    assert [(pair.tolist(), word) for pair, word in found] == [([1, 2], b"a"), ([3, 4], b"b"), ([5, 6], b"c")]


def test_a_shape_that_does_not_fit_at_run_time_is_an_invalid_argument(target: str, make: Make) -> None:
    """Q2.3, Q2.4"""
    queue = make(10, [tf.int32, tf.int32], shapes=[(), (2, 3, 3)])
    a, b = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    enqueue, enqueue_many = queue.enqueue([a, b]), queue.enqueue_many([a, b])
    text = r"Shape mismatch in tuple component 1. Expected \[{}2,3,3\], got \[{}2,3,4\]"
    with tf.Session(target) as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match=text.format("", "")) as caught:
            sess.run(enqueue, {a: 1, b: np.zeros((2, 3, 4))})
        assert caught.value.op is enqueue
        with pytest.raises(tf.errors.InvalidArgumentError, match=text.format("5,", "5,")):
            sess.run(enqueue_many, {a: [1] * 5, b: np.zeros((5, 2, 3, 4))})
        with pytest.raises(tf.errors.InvalidArgumentError, match="Shape mismatch in tuple component 1"):
            sess.run(enqueue_many, {a: [1, 2], b: np.zeros((2, 2, 3))})
        assert sess.run(queue.size()) == 0


def test_components_of_one_batch_that_differ_in_length_are_an_invalid_argument(target: str, make: Make) -> None:
    """Q2.8"""
    queue = make(10, [tf.int32, tf.int32], shapes=[(), (2,)])
    a, b = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    enqueue = queue.enqueue_many([a, b])
    with tf.Session(target) as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="dimension 0"):
            sess.run(enqueue, {a: [1, 2, 3], b: np.zeros((2, 2))})
        assert sess.run(queue.size()) == 0


def test_a_known_size_that_differs_is_an_invalid_argument_that_names_the_component(target: str) -> None:
    """Q2.4, Q7.3"""
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], [(), (None, 3)])
    value = tf.placeholder(tf.int32)
    one, many = queue.enqueue([1, value]), queue.enqueue_many([[1, 2], value])
    with tf.Session(target) as sess:
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"Shape mismatch in tuple component 1. Expected \[\?,3\], got \[3,4\]"
        ):
            sess.run(one, {value: np.zeros((3, 4))})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"component 1. Expected \[2,\?,3\], got \[2,4\]"):
            sess.run(many, {value: np.zeros((2, 4))})
        assert sess.run(queue.size()) == 0


@strict_kinds
def test_a_queue_without_shapes_takes_elements_of_any_shape(target: str, kind: str) -> None:
    """Q2.5"""
    queue = KINDS[kind](10, [tf.int32, tf.string])
    i, s = tf.placeholder(tf.int32), tf.placeholder(tf.string)
    enqueue, dequeue = queue.enqueue(components(kind, i, s)), queue.dequeue()[-2:]
    elements = {(): b"a", (2, 3): b"b", (0,): b"c"}
    with tf.Session(target) as sess:
        for shape, name in elements.items():
            sess.run(enqueue, {i: np.ones(shape), s: name})
        found = [sess.run(dequeue) for _ in range(3)]
    assert {value.shape: bytes(name) for value, name in found} == elements


def test_a_batch_without_elements_goes_in_at_once_even_if_the_queue_is_full_or_closed(target: str, make: Make) -> None:
    """Q2.9"""
    queue = make(1, tf.int32, (2,))
    rows = tf.placeholder(tf.int32, [None, 2])
    enqueue_many, size = queue.enqueue_many([rows]), queue.size()
    with tf.Session(target) as sess:
        sess.run(enqueue_many, {rows: [[1, 2]]})
        sess.run(enqueue_many, {rows: np.zeros((0, 2))})
        assert sess.run(size) == 1
        sess.run(queue.close())
        sess.run(enqueue_many, {rows: np.zeros((0, 2))})
        assert sess.run(size) == 1


@kinds
def test_an_empty_list_has_the_dtype_of_its_component(target: str, kind: str) -> None:
    """Q2.10"""
    queue = KINDS[kind](10, [tf.int32, tf.string], [(), ()])
    enqueue = queue.enqueue_many([[] for _ in queue.dtypes])
    assert [tensor.dtype for tensor in enqueue.inputs[1:]] == queue.dtypes
    with tf.Session(target) as sess:
        sess.run(enqueue)
        assert sess.run(queue.size()) == 0


# -- waiting for room


@kinds
def test_an_enqueue_of_a_full_queue_waits_until_an_element_leaves(target: str, kind: str) -> None:
    """Q2.11"""
    queue = KINDS[kind](1, tf.int32, [()])
    first, second = queue.enqueue(components(kind, 1)), queue.enqueue(components(kind, 2))
    value = queue.dequeue()[-1] if kind == "priority_queue" else queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(first)
        blocked = in_thread(sess.run, second)
        waiting.enqueues(1)
        assert sess.run(value) == 1
        assert blocked.result(30) is None
        assert sess.run(value) == 2


def test_a_batch_larger_than_the_queue_goes_in_as_room_appears(target: str) -> None:
    """Q2.12, Q2.13"""
    queue = tf.FIFOQueue(4, tf.int32, ())
    enqueue_many, dequeue = queue.enqueue_many([np.arange(300)]), queue.dequeue()
    batch = queue.dequeue_many(150)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        given = in_thread(sess.run, enqueue_many)
        waiting.enqueues(1)
        assert sess.run(queue.size()) == 4
        late = in_thread(sess.run, queue.enqueue(-1))
        waiting.enqueues(2)
        assert [int(sess.run(dequeue)) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert sess.run(batch).tolist() == list(range(5, 155))
        assert sess.run(queue.dequeue_many(145)).tolist() == list(range(155, 300))
        assert given.result(30) is None
        assert sess.run(dequeue) == -1
        assert late.result(30) is None


def test_a_batch_goes_into_a_queue_that_pads_as_room_appears(target: str) -> None:
    """Q2.12, Q7.9"""
    queue = tf.PaddingFIFOQueue(2, tf.int32, [(None,)])
    enqueue, dequeue = queue.enqueue_many([[[1], [2], [3], [4]]]), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        blocked = in_thread(sess.run, enqueue)
        waiting.enqueues(1)
        assert [sess.run(dequeue).tolist() for _ in range(2)] == [[1], [2]]
        assert blocked.result(30) is None
        assert sess.run(queue.dequeue_many(2)).tolist() == [[3], [4]]


def test_a_closed_queue_takes_nothing_more(target: str, make: Make) -> None:
    """Q2.14"""
    queue = make(10, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.close())
        for enqueue in (queue.enqueue(5), queue.enqueue_many([[5]])):
            with pytest.raises(tf.errors.CancelledError, match="is closed"):
                sess.run(enqueue)


def test_one_enqueue_that_several_threads_run_at_once_puts_in_once_a_run(target: str, make: Make) -> None:
    """Q2.15"""
    queue, number = make(100, tf.int32, ()), tf.placeholder(tf.int32, [])
    enqueue = queue.enqueue(number)
    with tf.Session(target) as sess:
        runs = [in_thread(sess.run, enqueue, {number: i}) for i in range(20)]
        assert [run.result(30) for run in runs] == [None] * 20
        assert sorted(sess.run(queue.dequeue_many(20)).tolist()) == list(range(20))
        assert sess.run(queue.size()) == 0


def test_an_enqueue_does_not_happen_if_an_operation_before_it_fails(target: str, make: Make) -> None:
    """Q2.16, S24.4"""
    queue = make(10, tf.int32, ())
    p = tf.placeholder(tf.int32, [])
    with tf.control_dependencies([tf.Assert(tf.greater(p, 0), ["not positive"])]):
        enqueue = queue.enqueue(p)
    dequeue = queue.dequeue()
    with tf.Session(target) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match="not positive"):
                sess.run([enqueue, dequeue], {p: -1})
        assert sess.run(queue.size()) == 0
        sess.run(enqueue, {p: 7})
        assert sess.run(dequeue) == 7, "the dequeue of the failed step is gone"


def test_an_element_stays_as_it_is_when_the_variable_that_it_came_from_changes(target: str, make: Make) -> None:
    """Q2.1.  In TensorFlow they share memory, and the element changes with the variable."""
    queue, variable = make(10, tf.int32, (2,)), tf.Variable([1, 2])
    put, put_many, take = queue.enqueue(variable), queue.enqueue_many([[variable]]), queue.dequeue()
    with tf.Session(target) as sess:
        for enqueue in (put, put_many):
            sess.run(variable.initializer)
            sess.run(enqueue)
            sess.run(variable.assign_add([10, 10]))
            sess.run(variable.assign([7, 7]))
            assert sess.run(take).tolist() == [1, 2]
