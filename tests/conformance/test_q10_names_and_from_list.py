"""Queues whose components have names, and a queue chosen out of a list by each run.  Statements Q10."""

from __future__ import annotations

import pytest

import dflow as tf
from tests.conformance.programs import SHORT, Waiting, in_thread
from tests.conformance.queue_kinds import KINDS, Make, components, kinds

# -- names


@kinds
def test_a_queue_with_names_takes_and_gives_dicts(kind: str) -> None:
    """Q10.1, Q10.3, Q9.10"""
    names = components(kind, "x", "y") if kind != "priority_queue" else ["rank", "x", "y"]
    queue = KINDS[kind](10, [tf.int32, tf.float32], [(), ()], names=names)
    assert queue.names == names
    element = dict(zip(names, components(kind, 1, 2.0), strict=True))
    assert [tensor.dtype for tensor in queue.enqueue(element).inputs[1:]] == queue.dtypes
    queue.enqueue_many({name: [value] for name, value in element.items()})
    for given in (queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(2)):
        assert list(given) == names
        assert [tensor.dtype for tensor in given.values()] == queue.dtypes
    for wrong in ({}, {"x": 1}, element | {"z": 1}):
        for put in (queue.enqueue, queue.enqueue_many):
            with pytest.raises(ValueError, match="match names of Queue"):
                put(wrong)
    with pytest.raises(ValueError, match="enqueue a dictionary"):
        queue.enqueue(list(element.values()))


@kinds
def test_a_queue_without_names_takes_no_dict(kind: str) -> None:
    """Q10.2"""
    queue = KINDS[kind](10, tf.int32, [()])
    for put in (queue.enqueue, queue.enqueue_many):
        with pytest.raises(ValueError, match="must have names"):
            put({"x": 1})


def test_one_name_may_be_a_string() -> None:
    """Q10.4"""
    queue = tf.FIFOQueue(10, tf.int32, (), names="x")
    assert queue.names == ["x"]
    assert list(queue.dequeue()) == ["x"]


def test_dicts_go_in_and_come_out(target: str, make: Make) -> None:
    """Q10.1, Q10.3"""
    queue = make(10, [tf.int32, tf.string], shapes=[(), ()], names=["i", "s"])
    with tf.Session(target) as sess:
        sess.run(queue.enqueue({"s": "one", "i": 1}))
        sess.run(queue.enqueue_many({"i": [2, 3, 4], "s": ["two", "three", "four"]}))
        first, two, last = [sess.run(take) for take in (queue.dequeue(), queue.dequeue_many(2), queue.dequeue_up_to(1))]
    assert [sorted(found) for found in (first, two, last)] == [["i", "s"]] * 3
    numbers = [int(first["i"]), *two["i"].tolist(), *last["i"].tolist()]
    words = [first["s"], *two["s"].tolist(), *last["s"].tolist()]
    assert dict(zip(numbers, words, strict=True)) == {1: b"one", 2: b"two", 3: b"three", 4: b"four"}


def test_one_name_makes_dicts_with_one_key(target: str, make: Make) -> None:
    """Q10.4"""
    queue = make(10, tf.float32, (), names="f")
    with tf.Session(target) as sess:
        sess.run(queue.enqueue({"f": 2.5}))
        assert sess.run(queue.dequeue()) == {"f": 2.5}


def test_a_queue_that_pads_gives_dicts_too(target: str) -> None:
    """Q10.3"""
    queue = tf.PaddingFIFOQueue(10, [tf.int32, tf.int32], [(None,), ()], names=["v", "n"])
    with tf.Session(target) as sess:
        sess.run([queue.enqueue({"n": 2, "v": [1, 1]}), queue.enqueue({"v": [2], "n": 1})])
        found = sess.run(queue.dequeue_many(2))
        assert sorted(zip(found["n"].tolist(), found["v"].tolist(), strict=True)) == [(1, [2, 0]), (2, [1, 1])]


# -- a list of queues


def test_what_is_no_list_of_like_queues_is_a_type_error() -> None:
    """Q10.7"""
    a, b = tf.FIFOQueue(10, tf.int32, ()), tf.FIFOQueue(10, tf.float32, ())
    named = tf.FIFOQueue(10, tf.int32, (), names="x")
    for wrong in ([], (a, a), a, [a, 1], None):
        with pytest.raises(TypeError, match="A list of queues expected"):
            tf.QueueBase.from_list(0, wrong)
    with pytest.raises(TypeError, match="matching component dtypes"):
        tf.QueueBase.from_list(0, [a, b])
    with pytest.raises(TypeError, match="matching component names"):
        tf.QueueBase.from_list(0, [a, named])
    with pytest.raises(TypeError, match="in another list"):
        tf.QueueBase.from_list(0, [tf.QueueBase.from_list(0, [a])])
    for index in (1.5, tf.constant(1.0)):
        with pytest.raises(TypeError, match="expected an integer"):
            tf.QueueBase.from_list(index, [a])
    with pytest.raises(ValueError, match="rank 0"):
        tf.QueueBase.from_list([0, 0], [a])


def test_a_list_of_queues_has_the_shapes_that_they_agree_on() -> None:
    """Q10.8"""
    a, b, c = (tf.FIFOQueue(10, tf.float32, shape) for shape in ((1, 2), (1, 3), (1,)))
    d = tf.FIFOQueue(10, tf.float32)
    for queues, shape in (([a, a], [1, 2]), ([a, b], [1, None]), ([b, c], None), ([a, d], None)):
        queue = tf.QueueBase.from_list(0, queues)
        for found, leading in ((queue.shapes[0], []), (queue.dequeue().shape, []), (queue.dequeue_many(4).shape, [4])):
            assert found.dims is None if shape is None else found.as_list() == leading + shape
    queue = tf.QueueBase.from_list(0, [a, b])
    assert queue.dtypes == [tf.float32]
    with pytest.raises(ValueError, match="the value is"):
        queue.enqueue([[1.0, 2.0]])
    queue.enqueue([[[1.0, 2.0]]])  # fits one of the two


def test_operations_of_a_list_of_queues_are_named_after_it() -> None:
    """Q10.5, Q1.10"""
    queues = [tf.FIFOQueue(10, tf.int32, ()) for _ in range(2)]
    queue = tf.QueueBase.from_list(1, queues)
    assert queue.name == "from_list"
    assert queue.enqueue(1).name == "from_list_enqueue"
    assert queue.dequeue().op.name == "from_list_Dequeue"
    assert queue.close(name="shut").name == "shut"
    assert (queue.size().shape, queue.is_closed().dtype) == ((), tf.bool)
    assert tf.QueueBase.from_list(0, queues).name == "from_list_1"


def several(n: int = 2, capacity: int = 10) -> list[tf.QueueBase]:
    return [tf.FIFOQueue(capacity, tf.int32, (), name=f"q{i}") for i in range(n)]


def test_operations_act_on_the_queue_that_each_run_chooses(target: str) -> None:
    """Q10.5"""
    queues = several(3)
    index, value = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue, size = chosen.enqueue(value), chosen.dequeue(), chosen.size()
    enqueue_many, many, up_to = chosen.enqueue_many([[7, 8, 9]]), chosen.dequeue_many(2), chosen.dequeue_up_to(1)
    sizes = [queue.size() for queue in queues]
    with tf.Session(target) as sess:
        for i in (0, 1, 1, 2):
            assert sess.run(enqueue, {index: i, value: 10 * i}) is None
        assert sess.run(sizes) == [1, 2, 1]
        assert [sess.run(size, {index: i}) for i in range(3)] == [1, 2, 1]
        assert sess.run(dequeue, {index: 2}) == 20
        assert sess.run(queues[1].dequeue()) == 10
        sess.run(enqueue_many, {index: 2})
        assert sess.run(many, {index: 2}).tolist() == [7, 8]
        assert sess.run(up_to, {index: 2}).tolist() == [9]
        assert sess.run(sizes) == [1, 1, 0]


def test_the_index_may_be_a_number(target: str) -> None:
    """Q10.5"""
    queues = several()
    chosen = tf.QueueBase.from_list(1, queues)
    with tf.Session(target) as sess:
        sess.run(chosen.enqueue(5))
        assert sess.run([queue.size() for queue in queues]) == [0, 1]
        assert sess.run(chosen.queue_ref) == sess.run(queues[1].queue_ref)


def test_the_index_may_come_out_of_another_queue(target: str) -> None:
    """Q10.5"""
    queues, order = several(), tf.FIFOQueue(10, tf.int32, ())
    chosen = tf.QueueBase.from_list(order.dequeue(), queues)
    dequeue = chosen.dequeue()
    with tf.Session(target) as sess:
        sess.run([queues[0].enqueue_many([[1, 2]]), queues[1].enqueue(3), order.enqueue_many([[0, 1, 0]])])
        assert [sess.run(dequeue) for _ in range(3)] == [1, 3, 2]


def test_an_index_that_is_not_in_the_list_is_an_invalid_argument_and_changes_nothing(target: str) -> None:
    """Q10.6"""
    queues = several()
    index = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    fetches = [chosen.enqueue(1), chosen.dequeue(), chosen.size(), chosen.close(), chosen.queue_ref]
    with tf.Session(target) as sess:
        for fetch in fetches:
            for wrong in (-1, 2):
                with pytest.raises(tf.errors.InvalidArgumentError, match=rf"{wrong} is not in \[0, 2\)"):
                    sess.run(fetch, {index: wrong})
        with pytest.raises(tf.errors.InvalidArgumentError, match="is a scalar"):
            sess.run(fetches[0], {index: [0, 1]})
        assert sess.run([queue.size() for queue in queues]) == [0, 0]


def test_only_the_chosen_queue_makes_the_run_wait(target: str) -> None:
    """Q10.5"""
    queues = several(capacity=1)
    index = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue = chosen.enqueue(3), chosen.dequeue()
    with tf.Session(target) as sess:
        full, empty = Waiting(sess, queues[0]), Waiting(sess, queues[1])
        sess.run(enqueue, {index: 0})
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(enqueue, {index: 0}, options=SHORT)
        blocked = in_thread(sess.run, dequeue, {index: 1})
        empty.dequeues(1)
        assert sess.run(dequeue, {index: 0}) == 3
        sess.run(queues[1].enqueue(4))
        assert blocked.result(30) == 4
        full.enqueues(0)


def test_a_close_closes_the_chosen_queue(target: str) -> None:
    """Q10.5"""
    queues = several()
    index = tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    with tf.Session(target) as sess:
        sess.run(chosen.close(), {index: 1})
        assert sess.run([queue.is_closed() for queue in queues]) == [False, True]
        assert sess.run(chosen.is_closed(), {index: 1})
        sess.run(chosen.enqueue(1), {index: 0})
        with pytest.raises(tf.errors.CancelledError, match="is closed"):
            sess.run(chosen.enqueue(1), {index: 1})
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient"):
            sess.run(chosen.dequeue(), {index: 1})


def test_queues_of_different_kinds_and_shapes_and_with_names_may_be_in_one_list(target: str) -> None:
    """Q10.5, Q10.8"""
    queues: list[tf.QueueBase] = [
        tf.FIFOQueue(10, [tf.string, tf.int32], [(2,), ()], names=["s", "n"]),
        tf.PaddingFIFOQueue(10, [tf.string, tf.int32], [(None,), ()], names=["s", "n"]),
    ]
    index, words = tf.placeholder(tf.int32), tf.placeholder(tf.string)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue = chosen.enqueue({"s": words, "n": 1}), chosen.dequeue_many(1)
    with tf.Session(target) as sess:
        sess.run(enqueue, {index: 1, words: ["a"]})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[2\], got \[1\]"):
            sess.run(enqueue, {index: 0, words: ["a"]})
        found = sess.run(dequeue, {index: 1})
        assert found["s"].tolist() == [[b"a"]]
        assert found["n"].tolist() == [1]


def test_the_queues_may_be_on_different_devices(target: str) -> None:
    """Q10.5"""
    places = ["/job:ps", "/job:worker/task:0/cpu:0", "/job:worker/task:1/cpu:0"] if target else ["/cpu:0", "/cpu:1", ""]
    queues: list[tf.QueueBase] = []
    for place in places:
        with tf.device(place):
            queues.append(tf.FIFOQueue(10, [tf.int32, tf.string], [(), ()]))
    index, value = tf.placeholder(tf.int32), tf.placeholder(tf.int32)
    chosen = tf.QueueBase.from_list(index, queues)
    enqueue, dequeue, size = chosen.enqueue([value, "word"]), chosen.dequeue(), chosen.size()
    config = None if target else tf.ConfigProto(device_count={"CPU": 2})
    with tf.Session(target, config=config) as sess:
        for i in range(3):
            sess.run(enqueue, {index: i, value: i})
            sess.run(enqueue, {index: i, value: i + 10})
        for i in (2, 0, 1):
            assert sess.run(dequeue, {index: i}) == [i, b"word"]
            assert sess.run(size, {index: i}) == 1
            assert sess.run(queues[i].dequeue()) == [i + 10, b"word"]
