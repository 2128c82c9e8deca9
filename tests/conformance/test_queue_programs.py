"""Programs with queues, in this process and on a cluster.  Statement ids: Q1-Q6, Q8, Q10, Q11."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread

NUMBERS = [
    tf.float16, tf.float32, tf.float64, tf.int8, tf.int16, tf.int32, tf.int64,
    tf.uint8, tf.uint16, tf.bool, tf.complex64, tf.complex128,
]  # fmt: skip
_names = itertools.count()


@pytest.fixture
def shared() -> str:
    """A shared_name that no other test uses."""
    return f"queue-{next(_names)}"


@pytest.fixture(params=["FIFOQueue", "RandomShuffleQueue"])
def make(request: pytest.FixtureRequest) -> Callable[..., tf.QueueBase]:
    """Makes queues of one kind; a shuffle queue without a reserve."""

    def make_queue(capacity: int, *args: Any, **kwargs: Any) -> tf.QueueBase:
        if request.param == "FIFOQueue":
            return tf.FIFOQueue(capacity, *args, **kwargs)
        return tf.RandomShuffleQueue(capacity, 0, *args, **kwargs)

    return make_queue


Make = Callable[..., tf.QueueBase]


# -- what is built


def test_a_queue_and_its_operations_have_the_names_of_tensorflow() -> None:
    """Q1.2, Q1.8, Q1.10, Q2.1, Q6.2"""
    with tf.name_scope("in"):
        queue = tf.FIFOQueue(10, [tf.float32, tf.int32], [(), (2,)], name="q")
    assert (queue.name, queue.queue_ref.op.name, queue.queue_ref.op.type) == ("in/q", "in/q", "FIFOQueueV2")
    assert queue.dtypes == [tf.float32, tf.int32]
    assert [shape.as_list() for shape in queue.shapes] == [[], [2]]
    assert queue.names is None
    enqueue = queue.enqueue([1.0, [1, 2]])
    assert (enqueue.name, enqueue.type, enqueue.outputs) == ("q_enqueue", "QueueEnqueueV2", ())
    assert queue.enqueue_many([[1.0], [[1, 2]]]).name == "q_EnqueueMany"
    assert queue.dequeue()[0].op.name == "q_Dequeue"
    assert queue.dequeue_many(2)[0].op.name == "q_DequeueMany"
    assert queue.dequeue_up_to(2)[0].op.name == "q_DequeueUpTo"
    assert queue.close().name == "q_Close"
    assert queue.size().op.name == "q_Size"
    assert queue.is_closed().op.name == "q_Is_Closed"
    assert tf.FIFOQueue(1, tf.int32).name == "fifo_queue"
    assert tf.RandomShuffleQueue(1, 0, tf.int32).name == "random_shuffle_queue"
    assert tf.RandomShuffleQueue(1, 0, tf.int32).queue_ref.op.type == "RandomShuffleQueueV2"


def test_what_a_queue_gives_has_static_shapes(make: Make) -> None:
    """Q3.1, Q3.2, Q1.2"""
    one = make(10, tf.float32, (2, 3))
    two = make(10, [tf.float32, tf.int32], shapes=[(), (4,)])
    open_shapes = make(10, [tf.float32, tf.int32])
    n = tf.placeholder(tf.int32, [])
    assert one.dequeue().shape.as_list() == [2, 3]
    assert one.dequeue_many(5).shape.as_list() == [5, 2, 3]
    assert one.dequeue_many(n).shape.as_list() == [None, 2, 3]
    assert one.dequeue_up_to(5).shape.as_list() == [None, 2, 3]
    assert [t.shape.as_list() for t in two.dequeue_many(7)] == [[7], [7, 4]]
    assert [t.dtype for t in two.dequeue()] == [tf.float32, tf.int32]
    assert [t.shape.ndims for t in open_shapes.dequeue()] == [None, None]
    assert [t.shape.ndims for t in open_shapes.dequeue_many(3)] == [None, None]
    assert (one.size().dtype, one.size().shape.as_list()) == (tf.int32, [])
    assert (one.is_closed().dtype, one.is_closed().shape.as_list()) == (tf.bool, [])


def test_wrong_constructors_are_errors_while_the_graph_is_built(make: Make) -> None:
    """Q1.3, Q1.4, Q1.5"""
    with pytest.raises(ValueError, match="Queue shapes must have the same length as dtypes"):
        make(10, [tf.int32, tf.int32], shapes=[()])
    with pytest.raises(ValueError, match="Queue names must have the same length as dtypes"):
        make(10, [tf.int32, tf.int32], names=["a"])
    with pytest.raises(ValueError, match="fully defined"):
        make(10, [tf.int32], shapes=[(None, 2)])
    with pytest.raises(TypeError, match="shapes must be None"):
        make(10, [tf.int32], shapes="no shape")


def test_wrong_values_are_errors_while_the_graph_is_built(make: Make) -> None:
    """Q2.2, Q2.3, Q2.6, Q2.7, Q2.8, Q3.6, D2"""
    queue = make(10, [tf.int32, tf.float16], shapes=[(), (2,)])
    queue.enqueue([1, [1.5, 2.5]])
    with pytest.raises(ValueError, match="components"):
        queue.enqueue([1])
    with pytest.raises(ValueError, match="components"):
        queue.enqueue([1, [1.0, 2.0], 3])
    with pytest.raises(ValueError):
        queue.enqueue([1, [1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="dtype"):
        queue.enqueue([tf.constant(1.0), [1.0, 2.0]])
    with pytest.raises(TypeError):
        queue.enqueue(["text", [1.0, 2.0]])
    with pytest.raises(ValueError, match="leading dimension"):
        queue.enqueue_many([1, [[1.0, 2.0]]])
    with pytest.raises(ValueError, match="leading dimension"):
        queue.enqueue_many([[1, 2, 3], [[1.0, 2.0]]])
    for n in (-1, -3):
        with pytest.raises(ValueError):
            queue.dequeue_many(n)
    with pytest.raises(ValueError):
        queue.dequeue_up_to([1, 2])


def test_the_static_leading_dimensions_of_a_batch_must_agree_even_beside_an_unknown_one(make: Make) -> None:
    """Q2.8"""
    queue = make(10, [tf.int32, tf.int32, tf.int32])
    with pytest.raises(ValueError, match="leading dimension"):
        queue.enqueue_many([tf.placeholder(tf.int32), [1, 2], [1, 2, 3]])


def test_a_queue_with_names_takes_and_gives_dicts(target: str, make: Make) -> None:
    """Q10.1, Q10.2, Q10.3, Q10.4"""
    queue = make(10, [tf.int32, tf.string], shapes=[(), ()], names=["i", "s"])
    plain = make(10, [tf.int32])
    single = make(10, tf.float32, (), names="f")
    assert queue.names == ["i", "s"]
    with pytest.raises(ValueError, match="match names of Queue"):
        queue.enqueue({"i": 1})
    with pytest.raises(ValueError, match="match names of Queue"):
        queue.enqueue({"i": 1, "s": "a", "x": 3})
    with pytest.raises(ValueError, match="enqueue a dictionary"):
        queue.enqueue([1, "a"])
    with pytest.raises(ValueError, match="must have names"):
        plain.enqueue({"i": 1})
    with tf.Session(target) as sess:
        sess.run(queue.enqueue({"s": "one", "i": 1}))
        sess.run(queue.enqueue_many({"i": [2, 3, 4], "s": ["two", "three", "four"]}))
        first = sess.run(queue.dequeue())
        assert sorted(first) == ["i", "s"]
        found = sess.run(queue.dequeue_many(2))
        rest = sess.run(queue.dequeue_up_to(1))
        pairs = {(int(first["i"]), first["s"])} | set(zip(found["i"].tolist(), found["s"].tolist(), strict=True))
        pairs |= set(zip(rest["i"].tolist(), rest["s"].tolist(), strict=True))
        assert pairs == {(1, b"one"), (2, b"two"), (3, b"three"), (4, b"four")}
        sess.run(single.enqueue({"f": 2.5}))
        assert sess.run(single.dequeue()) == {"f": 2.5}


# -- in and out


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_every_dtype_come_back_bit_equal(target: str, dtype: tf.DType) -> None:
    """Q1.11"""
    value = np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype.numpy_dtype)
    p = tf.placeholder(dtype, [3, 2])
    queue = tf.FIFOQueue(10, dtype, (2,))
    enqueue, dequeue, rest = queue.enqueue_many([p]), queue.dequeue(), queue.dequeue_many(2)
    with tf.Session(target) as sess:
        sess.run(enqueue, {p: value})
        first, others = sess.run(dequeue), sess.run(rest)
    assert first.dtype == others.dtype == value.dtype
    np.testing.assert_array_equal(np.concatenate([first[None], others]), value)


def test_strings_come_back_as_the_same_bytes(target: str, make: Make) -> None:
    """Q1.11"""
    values = ["", "a\0b", "\u00fc", b"\xff\xfe", "x" * 100_000]
    queue = make(10, tf.string, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([values]))
        found = sess.run(queue.dequeue_many(5)).tolist()
    assert sorted(found) == sorted(v.encode() if isinstance(v, str) else v for v in values)


def test_elements_leave_in_the_order_in_which_they_came(target: str) -> None:
    """Q6.1, Q1.6, Q1.13"""
    queue = tf.FIFOQueue(100, [tf.int32, tf.float32], [(), (2,)])
    i, f = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, [2])
    enqueue, dequeue, size = queue.enqueue([i, f]), queue.dequeue(), queue.size()
    many = queue.dequeue_many(4)
    with tf.Session(target) as sess:
        for number in range(6):
            assert sess.run(enqueue, {i: number, f: [number, -number]}) is None
        assert [int(sess.run(size)) for _ in range(20)] == [6] * 20
        numbers, pairs = sess.run(many)
        assert numbers.tolist() == [0, 1, 2, 3]
        assert pairs.tolist() == [[0, 0], [1, -1], [2, -2], [3, -3]]
        number, pair = sess.run(dequeue)
        assert (number, pair.tolist()) == (4, [4, -4])
        assert sess.run(size) == 1


def test_a_shuffle_queue_gives_each_element_once_in_another_order(target: str) -> None:
    """Q8.1"""
    queue = tf.RandomShuffleQueue(100, 0, tf.int32, (), seed=3)
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([list(range(60))]))
        found = [int(sess.run(queue.dequeue())), *sess.run(queue.dequeue_many(59)).tolist()]
    assert sorted(found) == list(range(60))
    assert found != sorted(found)


def test_equal_seeds_and_equal_runs_give_equal_orders(target: str) -> None:
    """Q8.7, Q8.8"""

    def order(op_seed: int | None, graph_seed: int | None) -> list[int]:
        with tf.Graph().as_default():
            if graph_seed is not None:
                tf.set_random_seed(graph_seed)
            queue = tf.RandomShuffleQueue(100, 0, tf.int32, (), seed=op_seed)
            enqueue, dequeue = queue.enqueue_many([list(range(40))]), queue.dequeue_many(40)
            with tf.Session(target) as sess:
                sess.run(enqueue)
                found: list[int] = sess.run(dequeue).tolist()
                return found

    assert order(5, None) == order(5, None)
    assert order(5, 1) == order(5, 1)
    assert order(None, 1) == order(None, 1)
    assert order(5, None) != order(6, None)
    assert order(5, 1) != order(5, 2)
    assert order(None, None) != order(None, None)


def test_a_dequeue_leaves_the_reserve_while_the_queue_is_open(target: str) -> None:
    """Q8.2, Q8.4, Q8.5"""
    queue = tf.RandomShuffleQueue(10, 3, tf.int32, ())
    dequeue, size = queue.dequeue(), queue.size()
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        got = [int(sess.run(dequeue))]
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(dequeue, options=SHORT)
        assert sess.run(size) == 3
        sess.run(queue.close())
        got += sess.run(queue.dequeue_up_to(10)).tolist()
        assert sorted(got) == [1, 2, 3, 4]


@pytest.mark.parametrize(("capacity", "reserve", "text"), [(5, 7, "must be < capacity"), (5, 5, "5"), (5, -1, "-1")])
def test_a_reserve_that_does_not_fit_is_an_invalid_argument(
    target: str, capacity: int, reserve: int, text: str
) -> None:
    """Q8.6"""
    queue = tf.RandomShuffleQueue(capacity, reserve, tf.int32, ())
    with tf.Session(target) as sess, pytest.raises(tf.errors.InvalidArgumentError, match=text):
        sess.run(queue.queue_ref.op)


def test_a_batch_of_no_elements_ends_at_once_and_changes_nothing(target: str, make: Make) -> None:
    """Q2.9, Q2.10, Q3.7"""
    queue = make(1, tf.int32, (2,))
    p = tf.placeholder(tf.int32, [None, 2])
    enqueue_many = queue.enqueue_many([p])
    integers = make(1, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(integers.enqueue_many([[]]))
        assert sess.run(queue.dequeue_many(0)).shape == (0, 2)
        sess.run(enqueue_many, {p: [[1, 2]]})
        sess.run(enqueue_many, {p: np.zeros((0, 2))})
        assert sess.run(queue.size()) == 1
        assert sess.run(queue.dequeue_up_to(0)).shape == (0, 2)
        sess.run(queue.close())
        sess.run(enqueue_many, {p: np.zeros((0, 2))})
        assert sess.run(queue.dequeue_many(0)).shape == (0, 2)


def test_the_number_of_elements_may_be_a_tensor(target: str) -> None:
    """Q3.6"""
    queue, numbers = tf.FIFOQueue(20, tf.float32, ()), tf.FIFOQueue(20, tf.int32, ())
    n = tf.placeholder(tf.int32, [])
    some, as_told = queue.dequeue_many(n), queue.dequeue_many(numbers.dequeue())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([np.arange(10)]))
        sess.run(numbers.enqueue_many([[2, 0, 3]]))
        assert sess.run(some, {n: 2}).tolist() == [0, 1]
        assert [sess.run(as_told).tolist() for _ in range(3)] == [[2, 3], [], [4, 5, 6]]
        with pytest.raises(tf.errors.InvalidArgumentError, match="< 0 elements"):
            sess.run(some, {n: -1})
        assert sess.run(queue.size()) == 3


def test_a_queue_without_shapes_takes_elements_of_any_shape_one_by_one(target: str, make: Make) -> None:
    """Q2.5, Q3.8"""
    queue = make(10, [tf.int32, tf.string])
    i, s = tf.placeholder(tf.int32), tf.placeholder(tf.string)
    enqueue, dequeue = queue.enqueue([i, s]), queue.dequeue()
    elements = {(): b"a", (2, 3): b"b", (0,): b"c"}
    with tf.Session(target) as sess:
        for shape, name in elements.items():
            sess.run(enqueue, {i: np.ones(shape), s: name})
        for n in (0, 2):
            for batch in (queue.dequeue_many(n), queue.dequeue_up_to(n)):
                with pytest.raises(tf.errors.InvalidArgumentError, match="specified shapes"):
                    sess.run(batch)
        found = [sess.run(dequeue) for _ in range(3)]
    assert {value.shape: bytes(name) for value, name in found} == elements


def test_a_shape_that_does_not_fit_at_run_time_is_an_invalid_argument(target: str, make: Make) -> None:
    """Q2.4, Q2.8"""
    queue = make(10, [tf.int32, tf.int32], shapes=[(), (2, 3, 3)])
    a, b = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    enqueue, enqueue_many = queue.enqueue([a, b]), queue.enqueue_many([a, b])
    with tf.Session(target) as sess:
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"Shape mismatch in tuple component 1. Expected \[2,3,3\], got \[2,3,4\]",
        ) as caught:
            sess.run(enqueue, {a: 1, b: np.zeros((2, 3, 4))})
        assert caught.value.op is enqueue
        with pytest.raises(tf.errors.InvalidArgumentError, match="Shape mismatch in tuple component 1"):
            sess.run(enqueue_many, {a: [1, 2], b: np.zeros((2, 2, 3))})
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(enqueue_many, {a: [1, 2, 3], b: np.zeros((2, 2, 3, 3))})
        assert sess.run(queue.size()) == 0


# -- one step


def test_a_dequeue_runs_once_in_a_step_and_two_dequeues_take_two_elements(target: str, make: Make) -> None:
    """Q3.11, Q3.12, Q3.14"""
    queue = make(100, [tf.int32, tf.int32], shapes=[(), ()])
    a, b = queue.dequeue()
    c, d = queue.dequeue()
    total = a * 100 + a
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([list(range(20)), [-i for i in range(20)]]))
        seen = []
        for _ in range(5):
            values = sess.run([a, a, b, total, {"again": a}, c, d])
            assert values[0] == values[1] == -values[2] == values[4]["again"]
            assert values[3] == values[0] * 101
            assert values[5] == -values[6]
            seen += [int(values[0]), int(values[5])]
        assert len(set(seen)) == 10
        assert sess.run(queue.size()) == 10


def test_a_dequeue_and_an_enqueue_of_one_step_on_an_empty_queue_end_together(target: str, make: Make) -> None:
    """Q3.13, Q5.10"""
    first, second = make(1, tf.int32, ()), make(1, tf.int32, ())
    give = tf.placeholder(tf.int32, [])
    through = [first.dequeue(), second.enqueue(first.dequeue() + 1), second.dequeue()]
    enqueue = first.enqueue_many([tf.stack([give, give])])
    with tf.Session(target) as sess:
        for number in (3, 4, 5):
            values = sess.run([*through, enqueue], {give: number})
            assert (values[0], values[2]) == (number, number + 1)


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


# -- waiting


def test_a_dequeue_waits_for_an_element_and_an_enqueue_for_room(target: str, make: Make) -> None:
    """Q2.11, Q3.3, Q5.11, Q8.12"""
    queue = make(1, tf.int32, ())
    p = tf.placeholder(tf.int32, [])
    enqueue, dequeue = queue.enqueue(p), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        taken = in_thread(sess.run, dequeue)
        waiting.dequeues(1)
        sess.run(enqueue, {p: 1})
        assert taken.result(30) == 1
        sess.run(enqueue, {p: 2})
        given = in_thread(sess.run, enqueue, {p: 3})
        waiting.enqueues(1)
        assert sess.run(dequeue) == 2
        assert given.result(30) is None
        assert sess.run(dequeue) == 3


def test_a_batch_larger_than_the_queue_goes_in_as_room_appears(target: str) -> None:
    """Q2.12, Q2.13, Q3.9, Q1.14"""
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


def test_only_the_head_of_a_line_makes_progress(target: str) -> None:
    """Q5.1, Q5.2, Q1.6"""
    queue = tf.FIFOQueue(10, tf.int32, ())
    p = tf.placeholder(tf.int32, [])
    enqueue, dequeue, three = queue.enqueue(p), queue.dequeue(), queue.dequeue_many(3)
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(enqueue, {p: 1})
        batch = in_thread(sess.run, three)
        waiting.dequeues(1)
        single = in_thread(sess.run, dequeue)
        waiting.dequeues(2)
        sess.run(enqueue, {p: 2})
        assert sess.run(queue.size()) == 0
        assert not single.done()
        sess.run(enqueue, {p: 3})
        assert batch.result(30).tolist() == [1, 2, 3]
        sess.run(enqueue, {p: 4})
        assert single.result(30) == 4


def test_a_run_that_timed_out_takes_nothing_afterwards(target: str, make: Make) -> None:
    """Q5.5, Q5.9, D1"""
    queue = make(10, tf.int32, ())
    dequeue, three, enqueue_many = queue.dequeue(), queue.dequeue_many(3), queue.enqueue_many([[1, 2]])
    with tf.Session(target) as sess:
        for _ in range(2):
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(dequeue, options=SHORT)
        sess.run(enqueue_many)
        for _ in range(2):
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(three, options=SHORT)
        assert sess.run(queue.size()) == 2
        assert sorted([int(sess.run(dequeue)), int(sess.run(dequeue))]) == [1, 2]


def test_a_timed_out_enqueue_of_a_batch_leaves_in_what_is_in(target: str, make: Make) -> None:
    """Q5.7"""
    queue = make(2, tf.int32, ())
    enqueue_many = queue.enqueue_many([[1, 2, 3]])
    with tf.Session(target) as sess:
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(enqueue_many, options=SHORT)
        assert sorted(sess.run(queue.dequeue_many(2)).tolist()) == [1, 2]
        sess.run(queue.enqueue(9))
        assert sess.run(queue.dequeue()) == 9


def test_closing_the_session_cancels_what_waits(target: str, make: Make) -> None:
    """Q5.5, S24.3"""
    empty, full = make(10, tf.int32, ()), make(1, tf.int32, ())
    calls = [empty.dequeue(), empty.dequeue_many(3), empty.dequeue_up_to(2), full.enqueue(2), full.enqueue_many([[3]])]
    sess = tf.Session(target)
    at_empty, at_full = Waiting(sess, empty), Waiting(sess, full)
    sess.run(full.enqueue(1))
    blocked = [in_thread(sess.run, call) for call in calls]
    at_empty.dequeues(3)
    at_full.enqueues(2)
    sess.close()
    for future in blocked:
        with pytest.raises(tf.errors.CancelledError, match=r"was cancelled|Session::Close"):
            future.result(30)


def test_waiting_operations_take_no_thread_from_others(target: str, make: Make) -> None:
    """Q5.10"""
    queues = [make(1, tf.int32, ()) for _ in range(6)]
    config = tf.ConfigProto(inter_op_parallelism_threads=1)
    dequeues = [queue.dequeue() for queue in queues]
    enqueues = [queue.enqueue(i) for i, queue in enumerate(queues)]
    with tf.Session(target, config=config) as sess:
        blocked = in_thread(sess.run, dequeues)
        Waiting(sess, queues[-1]).dequeues(1)
        for enqueue in reversed(enqueues):
            sess.run(enqueue)
        assert blocked.result(30) == list(range(6))


def test_each_element_goes_to_exactly_one_of_many_threads(target: str, make: Make) -> None:
    """Q3.10, Q5.4, Q6.4, Q8.11, Q3.14, Q2.15"""
    queue = make(7, [tf.int32, tf.int32], shapes=[(), ()])
    p = tf.placeholder(tf.int32, [None])
    enqueue, close = queue.enqueue_many([p, p * -1]), queue.close()
    takes = [queue.dequeue(), queue.dequeue_up_to(4), queue.dequeue_many(2)]
    with tf.Session(target) as sess:

        def produce(start: int) -> None:
            for i in range(start, start + 60, 15):
                sess.run(enqueue, {p: np.arange(i, i + 15)})

        def consume(take: Any) -> list[int]:
            found: list[int] = []
            try:
                while True:
                    a, b = sess.run(take)
                    assert (np.asarray(a) == -np.asarray(b)).all()
                    found += np.atleast_1d(a).tolist()
            except tf.errors.OutOfRangeError:
                return found

        consumers = [in_thread(consume, take) for take in takes]
        for producer in [in_thread(produce, start) for start in (0, 100, 200)]:
            producer.result(60)
        sess.run(close)
        found = [item for consumer in consumers for item in consumer.result(60)]
        left = int(sess.run(queue.size()))
        if left:  # a dequeue_many(2) may end before the last element
            found += sess.run(queue.dequeue_many(left))[0].tolist()
    assert Counter(found) == Counter([*range(60), *range(100, 160), *range(200, 260)])


# -- closing


def test_a_closed_queue_takes_nothing_more_and_gives_what_it_has(target: str, make: Make) -> None:
    """Q4.1, Q4.2, Q4.3, Q2.14, Q1.7, Q3.5"""
    queue = make(10, tf.int32, ())
    dequeue, two, up_to, closed = queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(5), queue.is_closed()
    end = r"is closed and has insufficient elements \(requested {}, current size {}\)"
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
        assert not sess.run(closed)
        sess.run(queue.close())
        assert sess.run(closed)
        for enqueue in (queue.enqueue(5), queue.enqueue_many([[5]])):
            with pytest.raises(tf.errors.CancelledError, match="is closed"):
                sess.run(enqueue)
        found = [int(sess.run(dequeue)), *sess.run(two).tolist()]
        with pytest.raises(tf.errors.OutOfRangeError, match=end.format(2, 1)) as caught:
            sess.run(two)
        assert caught.value.op is two.op
        assert queue.name in str(caught.value)
        found += sess.run(up_to).tolist()
        assert sorted(found) == [1, 2, 3, 4]
        for take, n in ((dequeue, 1), (two, 2), (up_to, 5)):
            with pytest.raises(tf.errors.OutOfRangeError, match=end.format(n, 0)):
                sess.run(take)


def test_a_close_waits_for_the_enqueues_before_it_and_cancels_those_after_it(target: str) -> None:
    """Q4.4, Q4.5, Q1.7"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    dequeue, closed = queue.dequeue(), queue.is_closed()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        sess.run(queue.enqueue_many([[1, 2]]))
        before = in_thread(sess.run, queue.enqueue_many([[3, 4]]))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        after = in_thread(sess.run, queue.enqueue(5))
        waiting.enqueues(3)
        assert sess.run(dequeue) == 1
        assert not sess.run(closed)
        assert sess.run(dequeue) == 2
        assert before.result(30) is None
        assert close.result(30) is None
        assert sess.run(closed)
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            after.result(30)
        assert sess.run(queue.dequeue_up_to(10)).tolist() == [3, 4]


def test_a_close_that_cancels_ends_the_waiting_enqueues_at_once(target: str, make: Make) -> None:
    """Q4.7, Q4.8, Q4.6"""
    queue = make(2, tf.int32, ())
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        many = in_thread(sess.run, queue.enqueue_many([[1, 2, 3]]))
        waiting.enqueues(1)
        one = in_thread(sess.run, queue.enqueue(4))
        waiting.enqueues(2)
        sess.run(queue.close(cancel_pending_enqueues=True))
        for future in (many, one):
            with pytest.raises(tf.errors.CancelledError, match="was cancelled"):
                future.result(30)
        assert sorted(sess.run(queue.dequeue_up_to(10)).tolist()) == [1, 2]
        with pytest.raises(tf.errors.CancelledError, match="is already closed"):
            sess.run(queue.close())
        sess.run(queue.close(cancel_pending_enqueues=True))


def test_a_close_wakes_whoever_waits_for_elements(target: str, make: Make) -> None:
    """Q4.9, Q4.10, Q4.11, Q4.12"""
    queue, short, empty = make(10, tf.int32, ()), make(10, tf.int32, ()), make(10, tf.int32, ())
    with tf.Session(target) as sess:
        lines = [Waiting(sess, each) for each in (queue, short, empty)]
        for each in (queue, short):
            sess.run(each.enqueue_many([[1, 2]]))
        calls = [queue.dequeue_many(3), short.dequeue_up_to(3), empty.dequeue(), empty.dequeue_up_to(2)]
        many, up_to, nothing, none = [in_thread(sess.run, call) for call in calls]
        for line, count in zip(lines, (1, 1, 2), strict=True):
            line.dequeues(count)
        behind = in_thread(sess.run, queue.dequeue())
        lines[0].dequeues(2)
        for each in (queue, short, empty):
            sess.run(each.close())
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            many.result(30)
        found = [int(behind.result(30)), int(sess.run(queue.dequeue()))]
        assert sorted(found) == [1, 2]
        assert sorted(up_to.result(30).tolist()) == [1, 2]
        for future in (nothing, none):
            with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
                future.result(30)


def test_a_batch_larger_than_the_queue_is_drained_after_the_close(target: str) -> None:
    """Q6.5"""
    queue = tf.FIFOQueue(2, tf.int32, ())
    three, dequeue = queue.dequeue_many(3), queue.dequeue()
    with tf.Session(target) as sess:
        waiting = Waiting(sess, queue)
        given = in_thread(sess.run, queue.enqueue_many([[10, 20, 30, 40]]))
        waiting.enqueues(1)
        close = in_thread(sess.run, queue.close())
        waiting.enqueues(2)
        assert sess.run(three).tolist() == [10, 20, 30]
        assert (given.result(30), close.result(30)) == (None, None)
        with pytest.raises(tf.errors.OutOfRangeError, match="insufficient"):
            sess.run(three)
        assert sess.run(dequeue) == 40


def test_a_queue_without_bound_never_makes_an_enqueue_wait(target: str, make: Make) -> None:
    """Q1.12"""
    queue = make(-1, tf.int32, ())
    with tf.Session(target) as sess:
        sess.run(queue.enqueue_many([np.arange(2000)]))
        assert sess.run(queue.size()) == 2000
        assert sorted(sess.run(queue.dequeue_many(2000)).tolist()) == list(range(2000))


# -- sharing


def test_queues_of_one_shared_name_are_one_queue(target: str, make: Make, shared: str) -> None:
    """Q11.1"""
    first = make(10, tf.int32, (), shared_name=shared)
    second = make(10, tf.int32, (), shared_name=shared)
    with tf.Session(target) as sess:
        sess.run(first.enqueue_many([[1, 2]]))
        assert sess.run(second.size()) == 2
        assert sess.run(second.dequeue()) in (1, 2)
        sess.run(second.close())
        assert sess.run(first.is_closed())
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(first.enqueue(3))


def test_queues_without_a_shared_name_never_share(target: str, make: Make) -> None:
    """Q1.9, Q11.2, Q11.4"""
    first, second = make(10, tf.int32, (), name="same"), make(10, tf.int32, (), name="same")
    with tf.Session(target) as sess, tf.Session(target) as other:
        sess.run(first.enqueue(1))
        assert sess.run([first.size(), second.size()]) == [1, 0]
        assert other.run(first.size()) == 0
        sess.close()
        with tf.Session(target) as third:
            assert third.run(first.size()) == 0


def test_sessions_of_a_cluster_share_a_queue_by_name_and_it_outlives_them(target: str, make: Make, shared: str) -> None:
    """Q11.3, Q11.4"""

    def in_a_graph_of_its_own(program: Callable[[tf.Session, tf.QueueBase], Any]) -> Any:
        with tf.Graph().as_default():
            queue = make(10, tf.int32, (), shared_name=shared, name=f"name_{next(_names)}")
            with tf.Session(target) as sess:
                return program(sess, queue)

    in_a_graph_of_its_own(lambda sess, queue: sess.run(queue.enqueue_many([[5, 6]])))
    size = in_a_graph_of_its_own(lambda sess, queue: sess.run(queue.size()))
    assert size == (2 if target else 0)
    if target:
        found = in_a_graph_of_its_own(lambda sess, queue: sess.run(queue.dequeue_many(2)).tolist())
        assert sorted(found) == [5, 6]


def test_another_device_or_container_is_another_queue(target: str, shared: str) -> None:
    """Q11.5, Q11.7"""
    with tf.container("one"):
        first = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
        with tf.container("two"):
            second = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
    with tf.device("/job:ps" if target else "/cpu:0"):
        third = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
    with tf.Session(target) as sess:
        sess.run(first.enqueue(1))
        assert sess.run([first.size(), second.size(), third.size()]) == [1, 0, 0]


def test_a_queue_of_one_name_and_another_description_is_an_invalid_argument(target: str, shared: str) -> None:
    """Q11.6, Q8.10"""

    def differs(text: str, make: Callable[..., tf.QueueBase], *args: Any, **kwargs: Any) -> None:
        name = f"{shared}-{next(_names)}"
        tell = kwargs.pop("first", {})
        original = (
            tf.RandomShuffleQueue(10, 2, [tf.int32], [()], shared_name=name, **tell)
            if make is tf.RandomShuffleQueue or tell
            else tf.FIFOQueue(10, [tf.int32], [()], shared_name=name)
        )
        other = make(*args, shared_name=name, **kwargs)
        sess.run(original.queue_ref.op)
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match=text) as caught:
                sess.run(other.queue_ref.op)
            assert name in str(caught.value)
        sess.run(original.queue_ref.op)

    fifo, shuffle = tf.FIFOQueue, tf.RandomShuffleQueue
    with tf.Session(target) as sess:
        differs("capacity", fifo, 11, [tf.int32], [()])
        differs("component types", fifo, 10, [tf.float32], [()])
        differs("component types", fifo, 10, [tf.int32, tf.int32], [(), ()])
        differs("component shapes", fifo, 10, [tf.int32], [(2,)])
        differs("component shapes", fifo, 10, [tf.int32])
        differs("min_after_dequeue", shuffle, 10, 3, [tf.int32], [()])
        differs("capacity", shuffle, 11, 2, [tf.int32], [()])
        differs("random seeds", shuffle, 10, 2, [tf.int32], [()], seed=98765, first={"seed": 12})
        differs("has type RandomShuffleQueue.*expected FIFOQueue", fifo, 10, [tf.int32], [()], first={"seed": 12})
        same = tf.RandomShuffleQueue(10, 2, [tf.int32], [()], seed=1, shared_name=shared)
        unseeded = tf.RandomShuffleQueue(10, 2, [tf.int32], [()], shared_name=shared)
        sess.run([same.queue_ref.op])
        sess.run([unseeded.queue_ref.op])


def test_shuffle_queues_of_one_name_agree_on_the_graphs_seed(target: str, shared: str) -> None:
    """Q8.9"""
    tf.set_random_seed(87654321)
    first = tf.RandomShuffleQueue(10, 0, tf.int32, (), shared_name=shared)
    second = tf.RandomShuffleQueue(10, 0, tf.int32, (), shared_name=shared)
    with tf.Session(target) as sess:
        sess.run(first.queue_ref.op)
        sess.run(second.queue_ref.op)
        sess.run(first.enqueue(1))
        assert sess.run(second.dequeue()) == 1


def test_names_that_are_not_allowed_are_invalid_arguments(target: str) -> None:
    """Q11.9"""
    hidden = tf.FIFOQueue(10, tf.int32, (), shared_name="_hidden")
    with tf.container("not a name!"):
        spaced = tf.FIFOQueue(10, tf.int32, ())
    with tf.container("a_b.c-d/e9"):
        fine = tf.FIFOQueue(10, tf.int32, ())
    with tf.Session(target) as sess:
        for queue in (hidden, spaced):
            with pytest.raises(tf.errors.InvalidArgumentError):
                sess.run(queue.queue_ref.op)
        sess.run(fine.queue_ref.op)


def test_a_queue_may_be_built_and_used_while_the_session_is_open(target: str, make: Make) -> None:
    """S23.11, I14.14"""
    with tf.Session(target) as sess:
        queue = make(10, tf.int32, ())
        sess.run(queue.enqueue(1))
        assert sess.run(queue.dequeue()) == 1
