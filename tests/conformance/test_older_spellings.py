"""Names that programs of TensorFlow 1 use for what has other names, too."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import numpy as np
import pytest

import dflow as tf


def run(fetches: Any) -> Any:
    with tf.Session() as sess:
        return sess.run(fetches)


def test_older_spellings_of_programs_work(caplog: pytest.LogCaptureFixture) -> None:
    numbers = tf.constant([1.5, -300.0, 300.0])
    assert [tf.to_bfloat16(numbers).dtype, tf.to_complex64(numbers).dtype] == [tf.bfloat16, tf.complex64]
    assert tf.to_complex128(numbers).op.name == "ToComplex128"
    assert run(tf.saturate_cast(numbers, tf.int8)).tolist() == [1, -128, 127]
    assert run(tf.saturate_cast([-4, 300], tf.uint8)).tolist() == [0, 255]
    assert [tf.is_tensor(x) for x in (numbers, tf.Variable(1.0), np.ones(2))] == [True, True, False]
    assert tf.get_static_value(tf.constant([1, 2])).tolist() == [1, 2]
    assert tf.get_logger() is logging.getLogger("tensorflow")
    assert tf.dimension_value(numbers.shape[0]) == tf.dimension_at_index(numbers.shape, 0).value == 3
    assert tf.contrib.framework.nest is tf.nest
    with tf.op_scope([numbers], "older", "default") as scope:
        assert scope == "older/"
    assert "tf.op_scope(values, name, default_name) is deprecated" in caplog.text


def test_in_an_init_scope_operations_wait_for_nothing_and_are_in_no_branch() -> None:
    first = tf.no_op("first")

    def branch() -> tf.Tensor:
        with tf.init_scope():
            return tf.identity(initial, "kept")

    initial = tf.constant(1.0)
    with tf.name_scope("scope"), tf.control_dependencies([first]), tf.init_scope():
        assert tf.constant(1.0, name="x").op.name == "scope/x"
        assert tf.constant(1.0).op.control_inputs == []
    tf.cond(tf.constant(True), lambda: branch() + 1.0, lambda: initial)
    assert run(tf.get_default_graph().get_tensor_by_name("cond/kept:0")) == 1.0


def test_a_graph_forgets_a_collection_and_forbids_to_fetch_an_operation() -> None:
    graph = tf.get_default_graph()
    tf.add_to_collection("mine", 3)
    assert graph.collections == ["mine"]
    graph.clear_collection("mine")
    assert graph.get_collection("mine") == graph.collections == []
    x = tf.constant(1.0, name="x")
    assert graph.is_fetchable(x)
    graph.prevent_fetching(x.op)
    assert [graph.is_fetchable(x), graph.is_fetchable(x.op)] == [False, False]
    with tf.Session() as sess:
        assert sess.graph_def == graph.as_graph_def(add_shapes=True)
    with tf.Session() as sess, pytest.raises(ValueError, match="Operation x has been marked as not fetchable"):
        sess.run(x)


def test_functions_of_sparse_tensors_tell_their_arguments() -> None:
    """Libraries compare them with those of their own functions."""
    assert inspect.getfullargspec(tf.cast).args == ["x", "dtype", "name"]
    assert inspect.getfullargspec(tf.square).args == ["x", "name"]
