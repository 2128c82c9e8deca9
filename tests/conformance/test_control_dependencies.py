"""What runs before what, in one run.  Statement ids: K28."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as tf
from dflow.cluster import EmbeddedCluster


def names(op: tf.Operation) -> list[str]:
    return [control.name for control in op.control_inputs]


# -- what is built


def test_operations_built_inside_a_block_wait_for_what_it_names() -> None:
    """K28.1"""
    a, b = tf.constant(1.0, name="a"), tf.no_op(name="b")
    v = tf.Variable(1.0, name="v")
    before = tf.constant(2.0)
    with tf.control_dependencies([a, b, v]):
        inside = tf.constant(3.0)
        with tf.control_dependencies(None):
            free = tf.constant(4.0)
        again = tf.constant(5.0)
    after = tf.constant(6.0)
    assert names(inside.op) == ["a", "b", "v"]
    assert names(free.op) == names(before.op) == names(after.op) == []
    assert names(again.op) == ["a", "b", "v"]


def test_what_is_no_operation_cannot_be_waited_for() -> None:
    """K28.1"""
    for wrong in (1, 1.5, object()):
        with pytest.raises(TypeError, match="Can not convert"), tf.control_dependencies([wrong]):
            pass


def test_nested_blocks_add_up_and_what_is_implied_is_left_out() -> None:
    """K28.2, K28.3"""
    a, b = tf.constant(1.0, name="a"), tf.constant(2.0, name="b")
    halves = tf.split(tf.constant([1.0, 2.0], name="whole"), 2, name="halves")
    with tf.control_dependencies([a]):
        with tf.control_dependencies([b]):
            both = tf.constant(3.0, name="both")
            follows = tf.identity(both, name="follows")
            direct = tf.identity(b, name="direct")
        outer = tf.identity(both, name="outer")
    with tf.control_dependencies([halves[0], halves[1]]):
        once = tf.no_op()
    assert names(both.op) == ["a", "b"]
    assert names(follows.op) == [], "its input waits already"
    assert names(direct.op) == ["a"], "b is its input"
    assert names(outer.op) == []
    assert names(once) == ["halves"]


def test_each_thread_and_each_graph_has_blocks_of_its_own() -> None:
    """K28.1"""
    a = tf.constant(1.0, name="a")
    with tf.control_dependencies([a]), tf.Graph().as_default():
        other = tf.constant(2.0)
    assert names(other.op) == []


# -- what is run


def test_an_operation_runs_after_its_control_inputs(target: str) -> None:
    """K28.5"""
    v = tf.Variable(0, name="v")
    first = v.assign(10)
    with tf.control_dependencies([first]):
        second = v.assign_add(5)
        with tf.control_dependencies([second]):
            third = v.assign(v.read_value() * 2)
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        for _ in range(3):
            assert sess.run(third) == 30
        assert sess.run(v) == 30


def test_an_operation_does_not_run_if_one_of_its_control_inputs_fails(target: str) -> None:
    """K28.5"""
    v = tf.Variable(0, name="v")
    p = tf.placeholder(tf.int32, [], name="p")
    with tf.control_dependencies([tf.Assert(tf.less(p, 10), [p])]):
        count = v.assign_add(p)
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[20\]"):
                sess.run(count, {p: 20})
        assert sess.run(v) == 0
        assert sess.run(count, {p: 3}) == 3


@pytest.mark.parametrize(
    ("data", "summarize", "shown"),
    [
        ([["a:18", b"\xc3\xa9"], 20], 3, "[a:18 é] [20]"),
        ([b"\xff"], 3, r"[\xff]"),
        ([[1, 2, 3, 4]], 3, "[1 2 3...]"),
        ([[1, 2, 3, 4]], -1, "[1 2 3 4]"),
    ],
)
def test_a_failed_assertion_shows_its_data_as_text(data: list[Any], summarize: int, shown: str) -> None:
    with tf.Session("") as sess, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        sess.run(tf.Assert(False, data, summarize))
    assert f"assertion failed: {shown}\n" in f"{caught.value.message}\n"


def test_a_tensor_made_before_a_block_is_not_affected_by_it(target: str) -> None:
    """K28.4"""
    v = tf.Variable(0, name="v")
    w = tf.Variable(7, name="w")
    outside = w.value()
    with tf.control_dependencies([v.assign_add(1)]):
        returned = outside
        gated = tf.identity(outside)
    with tf.Session(target) as sess:
        sess.run([v.initializer, w.initializer])
        assert sess.run(returned) == 7
        assert sess.run(v) == 0
        assert sess.run(gated) == 7
        assert sess.run(v) == 1


def test_a_variable_read_inside_a_block_shows_what_the_block_waited_for(target: str) -> None:
    """K28.6"""
    v = tf.Variable([1.0, 2.0], name="v")
    with tf.control_dependencies([v.assign_add([10.0, 10.0])]):
        read, copied, doubled = v.read_value(), tf.identity(v), v * 2
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        first = sess.run([read, copied, doubled])
        np.testing.assert_array_equal(first, [[11, 12], [11, 12], [22, 24]])
        np.testing.assert_array_equal(sess.run([read, copied, doubled]), [[21, 22], [21, 22], [42, 44]])


def test_order_holds_across_devices(cluster: EmbeddedCluster) -> None:
    """K28.5, K28.6"""
    with tf.device("/job:ps"):
        v = tf.Variable(1.0, name="v")
    with tf.device("/job:worker/task:0"):
        w = tf.Variable(1.0, name="w")
    with tf.device("/job:worker/task:1"):
        u = tf.Variable(1.0, name="u")
    with tf.control_dependencies([v.assign_add(1.0)]):
        second = w.assign(v.read_value() * 10)
        with tf.control_dependencies([second]):
            third = u.assign(w.read_value() + v.read_value())
            with tf.control_dependencies([third]):
                fourth = v.assign(u.read_value())
    with tf.Session(cluster.scheduler_address) as sess:
        sess.run(tf.global_variables_initializer())
        assert [float(sess.run(fourth)) for _ in range(3)] == [22.0, 253.0, 2794.0]


def test_a_group_ends_after_all_of_its_members(target: str) -> None:
    """K28.7"""
    v, w = tf.Variable(0, name="v"), tf.Variable(0, name="w")
    both = tf.group(v.assign_add(1), w.assign_add(10), name="both")
    nested = tf.group([v.assign_add(1), [w.assign_add(10)]], None)
    assert both.name == "both"
    assert both.outputs == ()
    with tf.Session(target) as sess:
        sess.run([v.initializer, w.initializer])
        assert sess.run(both) is None
        assert sess.run([v, w]) == [1, 10]
        sess.run(nested)
        assert sess.run([v, w]) == [2, 20]
        assert sess.run([tf.group(), tf.group(None)]) == [None, None]
    with pytest.raises(TypeError):
        tf.group(12)


def test_a_group_of_several_devices_has_a_part_on_each(cluster: EmbeddedCluster) -> None:
    """K28.7"""
    with tf.device("/job:ps"):
        v, w = tf.Variable(0, name="v"), tf.Variable(0, name="w")
    with tf.device("/job:worker/task:1"):
        u = tf.Variable(0, name="u")
    updates = [v.assign_add(1), w.assign_add(1), u.assign_add(1)]
    everything = tf.group(*updates)
    assert sorted(control.device for control in everything.control_inputs) == ["/job:ps", "/job:worker/task:1"]
    with tf.Session(cluster.scheduler_address) as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(2):
            sess.run(everything)
        assert sess.run([v, w, u]) == [2, 2, 2]


def test_a_tuple_gives_no_tensor_before_all_are_there(target: str) -> None:
    """K28.7"""
    v, w = tf.Variable(0, name="v"), tf.Variable(5, name="w")
    count = v.assign_add(1)
    gated_count, nothing, gated_w = tf.tuple([count, None, w.value()])
    assert nothing is None
    with tf.Session(target) as sess:
        sess.run([v.initializer, w.initializer])
        assert sess.run(gated_w) == 5
        assert sess.run(v) == 1, "fetching one needs the others"
        assert sess.run(gated_count) == 2
    with pytest.raises(ValueError, match="Must have at least one Tensor"):
        tf.tuple([None])


def test_a_fed_tensor_satisfies_whoever_waits_for_its_operation(target: str) -> None:
    """K28.5, S23.8"""
    v = tf.Variable(0, name="v")
    count = v.assign_add(1)
    with tf.control_dependencies([count]):
        after = v.read_value()
    with tf.Session(target) as sess:
        sess.run(v.initializer)
        sess.run(after, {count: 50})
        assert sess.run(count + 0, {count: 50}) == 50


# -- variables without a value


def test_a_variable_that_is_only_waited_for_needs_no_value(target: str) -> None:
    with tf.device("/job:ps/task:0" if target else None):
        v, other = tf.Variable([1.0, 2.0], name="v"), tf.Variable(1.0, validate_shape=False, name="other")
    with tf.control_dependencies([v, other.op]):
        after = tf.constant(3)
    beside, _ = tf.tuple([tf.constant(4), v])
    with tf.Session(target) as sess:
        for _ in range(2):  # the second run is a hot one
            assert sess.run([v.op, tf.group(v, other), after]) == [None, None, 3]
            assert sess.run([tf.shape(v), tf.zeros_like(v), v.op])[1].tolist() == [0.0, 0.0]
            assert sess.run(tf.group(v), {v: [5.0, 6.0]}) is None
            assert sess.run([v + 1, v.op], {v: [5.0, 6.0]})[0].tolist() == [6.0, 7.0]
            assert sess.run(beside) == 4


def test_a_variable_that_is_read_needs_a_value(target: str) -> None:
    v = tf.Variable([1.0, 2.0], name="v")
    with tf.control_dependencies([v]):
        after = v + 1
    with tf.Session(target) as sess:
        for read in (v, v.value(), v.read_value(), tf.group(v.value()), after, [v.op, v], tf.tuple([v])):
            with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value v"):
                sess.run(read)
        sess.run(v.initializer)
        assert sess.run([after, v.op])[0].tolist() == [2.0, 3.0]
