"""Recurrent networks: outputs, states, gradients, shapes, and names of operations and variables."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.oracle.tools import session, shape

X = np.random.default_rng(0).uniform(-1, 1, (3, 4, 2)).astype(np.float32)
LENGTHS = [1, 4, 0]


def _cells(tf: Any) -> Any:
    """`tf.nn.rnn_cell`; a new TensorFlow has it elsewhere, if Keras is of another version."""
    if not tf.__name__.startswith("tensorflow"):
        return tf.nn.rnn_cell
    tf.disable_control_flow_v2()
    return importlib.import_module("tensorflow.python.keras.layers.legacy_rnn.rnn_cell_impl")


def _results(tf: Any, build: Callable[[Any], Any], x: Any = X) -> list[Any]:
    """What `build(inputs)` gives, with shapes, names, and gradients by the variables and by the inputs."""
    with tf.Graph().as_default(), tf.variable_scope("m", initializer=tf.zeros_initializer()):
        tf.set_random_seed(1)
        inputs = tf.placeholder(tf.float32, x.shape)
        found = tf.nest.flatten(build(inputs))
        variables = tf.trainable_variables()
        loss = tf.add_n([tf.reduce_sum(tf.square(it) + it) for it in found if it.dtype == tf.float32])
        gradients = [it for it in tf.gradients(loss, [*variables, inputs]) if it is not None]
        draws = np.random.default_rng(1)
        values = [draws.uniform(-0.5, 0.5, variable.shape.as_list()) for variable in variables]
        with session(tf) as sess:
            sess.run([tf.assign(*pair) for pair in zip(variables, values, strict=True)])
            results = sess.run([found, gradients], {inputs: x})
        return [results, [shape(it) for it in found], [it.name for it in (*found, *tf.global_variables())]]


def cells(tf: Any, folder: Path) -> dict[str, Any]:
    c = _cells(tf)
    made = {
        "basic": lambda: c.BasicRNNCell(3),
        "gated": lambda: c.GRUCell(3, activation=tf.nn.relu),
        "lstm": lambda: c.BasicLSTMCell(3, forget_bias=0.5),
        "lstm, one state": lambda: c.BasicLSTMCell(3, state_is_tuple=False),
        "peepholes": lambda: c.LSTMCell(3, True, cell_clip=0.2, num_proj=2, proj_clip=0.1),
        "projection": lambda: c.LSTMCell(3, num_proj=2, state_is_tuple=False),
        "several": lambda: c.MultiRNNCell([c.LSTMCell(3), c.GRUCell(2)]),
        "several, one state": lambda: c.MultiRNNCell([c.BasicRNNCell(3), c.GRUCell(2)], state_is_tuple=False),
        "residual": lambda: c.ResidualWrapper(c.GRUCell(2)),
    }
    return {
        f"{name}, {lengths}": _results(tf, lambda x: tf.nn.dynamic_rnn(make(), x, lengths, dtype=tf.float32))  # noqa: B023
        for name, make in made.items()
        for lengths in (None, LENGTHS)
    }


def lengths(tf: Any, folder: Path) -> dict[str, Any]:
    c = _cells(tf)

    def static(lengths: Any) -> Any:
        return lambda x: tf.nn.static_rnn(
            c.LSTMCell(3), tf.unstack(x, axis=1), dtype=tf.float32, sequence_length=lengths, scope="s"
        )

    def major(x: Any) -> Any:
        return tf.nn.dynamic_rnn(c.GRUCell(3), x, LENGTHS, tf.ones([3, 3]), time_major=True, swap_memory=True)

    return {
        "static": _results(tf, static(None)),
        "static, with lengths": _results(tf, static(LENGTHS)),
        "time first": _results(tf, major, X.swapaxes(0, 1)),
    }


def directions(tf: Any, folder: Path) -> dict[str, Any]:
    c, found = _cells(tf), {}
    for lengths in (None, LENGTHS):

        def dynamic(x: Any) -> Any:
            return tf.nn.bidirectional_dynamic_rnn(c.GRUCell(3), c.LSTMCell(2), x, lengths, dtype=tf.float32)  # noqa: B023

        def static(x: Any) -> Any:
            steps = tf.unstack(x, axis=1)
            return tf.nn.static_bidirectional_rnn(
                c.GRUCell(3),
                c.LSTMCell(2),
                steps,
                dtype=tf.float32,
                sequence_length=lengths,  # noqa: B023
            )

        found[f"dynamic, {lengths}"] = _results(tf, dynamic)
        found[f"static, {lengths}"] = _results(tf, static)
    return found


def directed(tf: Any, folder: Path) -> dict[str, Any]:
    c = _cells(tf)

    def build(x: Any) -> Any:
        steps, cell = tf.TensorArray(tf.float32, 4).unstack(tf.transpose(x, [1, 0, 2])), c.LSTMCell(3)

        def direct(time: Any, output: Any, state: Any, count: Any) -> Any:
            finished = time >= tf.constant(LENGTHS)
            given = tf.cond(tf.reduce_all(finished), lambda: tf.zeros([3, 2]), lambda: steps.read(time))
            following = cell.zero_state(3, tf.float32) if output is None else state
            return finished, given, following, output, tf.constant(1) if count is None else count + 2

        arrays, state, count = tf.nn.raw_rnn(cell, direct)
        return arrays.stack(), state, count

    return {"raw": _results(tf, build)}


def dropped(tf: Any, folder: Path) -> dict[str, Any]:
    c = _cells(tf)

    def build(x: Any) -> Any:
        inner = c.MultiRNNCell([c.LSTMCell(3), c.GRUCell(2)])
        cell = c.DropoutWrapper(inner, 0.6, 0.7, 0.5, True, 2, tf.float32, seed=3)
        return tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)

    return {"each step alike": _results(tf, build)}
