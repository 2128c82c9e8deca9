"""Which queues are one queue: shared names, sessions, devices and containers.  Statements Q11."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dflow as tf
from tests.conformance.programs import run_script
from tests.conformance.queue_kinds import Make

_names = itertools.count()

# -- sessions


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


def test_a_queue_without_a_shared_name_is_private_to_its_session(target: str, make: Make) -> None:
    """Q11.2, Q11.4"""
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


CLIENT = """
    import sys
    import dflow as tf
    address, container, shared = sys.argv[1:]
    with tf.container(container):
        queue = tf.FIFOQueue(10, tf.int32, (), shared_name=shared, name="another_name")
    with tf.Session(address) as sess:
        print(sess.run(queue.dequeue()))
        sess.run(queue.enqueue(2))
"""


def test_client_processes_share_a_queue_by_name(address: str, container: str, shared: str, tmp_path: Path) -> None:
    """Q11.3"""
    queue = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
    with tf.Session(address) as sess:
        sess.run(queue.enqueue(1))
        assert run_script(tmp_path, CLIENT, address, container, shared) == "1\n"
        assert sess.run(queue.dequeue()) == 2


# -- devices and containers


def test_another_device_or_container_is_another_queue(target: str, shared: str) -> None:
    """Q11.5"""
    with tf.container("one"):
        first = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
        with tf.container("two"):
            second = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
    with tf.device("/job:ps" if target else "/cpu:0"):
        third = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
    with tf.Session(target) as sess:
        sess.run(first.enqueue(1))
        assert sess.run([first.size(), second.size(), third.size()]) == [1, 0, 0]


def test_a_container_and_a_shared_name_are_part_of_the_queue() -> None:
    """Q11.7"""
    with tf.container("outer"), tf.container("inner"):
        queue = tf.FIFOQueue(10, tf.int32, shared_name="shared", name="q")
    assert (queue.spec.container, queue.spec.shared_name, queue.spec.name) == ("inner", "shared", "shared")
    assert tf.FIFOQueue(10, tf.int32, name="mine").spec.name == "mine"


def test_the_innermost_container_is_that_of_what_holds_state() -> None:
    """Q11.7"""
    with tf.container(""):
        outside = tf.FIFOQueue(1, tf.int32)
    with tf.container("outer"), tf.container("inner"):
        made = [tf.FIFOQueue(1, tf.int32).op, tf.TextLineReader().reader_ref.op, tf.Variable(1).op]
    assert [op.get_attr("container") for op in made] == [b"inner"] * 3
    assert outside.op.get_attr("container") == b""


def test_two_containers_in_one_graph_hold_two_variables(target: str, container: str) -> None:
    """Q11.7"""
    with tf.container(f"{container}/a"):
        a = tf.Variable(1, name="a")
        with tf.container(f"{container}/b"):
            b = tf.Variable(2, name="b")
        again = tf.Variable(3, name="again")
    assert [v.spec.container.rpartition("/")[2] for v in (a, b, again)] == ["a", "b", "a"]
    with tf.Session(target) as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([a, b, again]) == [1, 2, 3]


def test_each_container_has_a_variable_of_its_own_under_one_name(target: str, container: str) -> None:
    """Q11.7, V34.2"""

    def build(name: str) -> tuple[tf.Graph, tf.Variable, tf.Tensor]:
        with tf.Graph().as_default() as graph, tf.container(f"{container}/{name}"):
            v = tf.Variable([0.0, 0.0], name="v")
            return graph, v, v.assign_add([1.0, 2.0])

    sessions = {}
    for name in ("one", "two"):
        graph, v, add = build(name)
        sessions[name] = tf.Session(target, graph=graph), v, add
        sessions[name][0].run(v.initializer)
    for sess, _, add in list(sessions.values())[:1]:
        sess.run(add)
        sess.run(add)
    first, second = (sess.run(v).tolist() for sess, v, _ in sessions.values())
    assert (first, second) == ([2.0, 4.0], [0.0, 0.0])
    for sess, _, _ in sessions.values():
        sess.close()


def test_a_reset_drops_the_queues_of_the_named_containers_and_aborts_sessions(address: str, container: str) -> None:
    """Q11.8"""
    queues = []
    for name in ("gone", "stays"):
        with tf.container(f"{container}/{name}"):
            queues.append(tf.FIFOQueue(5, tf.int32, (), shared_name="queue"))
    with tf.Session(address) as sess:
        sess.run([queue.enqueue(7) for queue in queues])
        tf.Session.reset(address, [f"{container}/gone"])
        with pytest.raises(tf.errors.AbortedError):
            sess.run(queues[1].size())
    with tf.Session(address) as sess:
        assert sess.run([queue.size() for queue in queues]) == [0, 1]


# -- what is not allowed


def test_a_queue_of_one_name_and_another_description_is_an_invalid_argument(target: str, shared: str) -> None:
    """Q11.6"""
    first = tf.FIFOQueue(10, tf.int32, (), shared_name=shared)
    others = {
        "capacity": tf.FIFOQueue(11, tf.int32, (), shared_name=shared),
        "component types": tf.FIFOQueue(10, tf.float32, (), shared_name=shared),
        "component types.*": tf.FIFOQueue(10, [tf.int32, tf.int32], [(), ()], shared_name=shared),
        "component shapes": tf.FIFOQueue(10, tf.int32, (2,), shared_name=shared),
        "component shapes.*": tf.FIFOQueue(10, tf.int32, shared_name=shared),
        "has type FIFOQueue.*expected RandomShuffleQueue": tf.RandomShuffleQueue(
            10, 0, tf.int32, (), shared_name=shared
        ),
    }
    with tf.Session(target) as sess:
        sess.run(first.queue_ref.op)
        for text, other in others.items():
            for _ in range(2):
                with pytest.raises(tf.errors.InvalidArgumentError, match=text) as caught:
                    sess.run(other.queue_ref.op)
                assert shared in str(caught.value)
        sess.run(first.enqueue(1))
        assert sess.run(first.size()) == 1


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
