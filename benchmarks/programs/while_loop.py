"""Loops in the graph: `while_loop` with bodies of different kinds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from measure import Sample, seconds_a_call, size

ITERATIONS, ROWS, UNITS = size(1000, 10), 32, 64
CHECKED = 10  # number of iterations before a fact


def _count(tf: Any, n: int) -> Any:
    return tf.while_loop(lambda i: i < n, lambda i: i + 1, [0])


def _nested(tf: Any, n: int) -> Any:
    """Ten iterations of an inner loop are an iteration of the outer one."""
    inner = partial(tf.while_loop, lambda j: j < 10, lambda j: j + 1, [0])
    return tf.while_loop(lambda i: i < n, lambda i: i + inner(), [0])


def _branch(tf: Any, n: int) -> Any:
    def body(i: Any, x: Any) -> Any:
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: x + 1.0, lambda: x * 0.5)

    return tf.while_loop(lambda i, _: i < n, body, [0, tf.constant(0.0)])[1]


def _recurrent(tf: Any, n: int, gradient: bool) -> Any:
    rng = np.random.default_rng(1)
    state = tf.constant(rng.normal(size=(ROWS, UNITS)).astype(np.float32))
    weights = tf.constant((rng.normal(size=(UNITS, UNITS)) / UNITS).astype(np.float32))
    last = tf.while_loop(lambda i, _: i < n, lambda i, x: (i + 1, tf.tanh(tf.matmul(x, weights) + state)), [0, state])
    loss = tf.reduce_sum(last[1])
    return tf.reduce_sum(tf.gradients(loss, weights)[0]) if gradient else loss


def _rows(tf: Any, n: int) -> Any:
    return tf.reduce_sum(tf.map_fn(lambda x: x * 2.0, tf.ones([n, UNITS])))


LOOPS: dict[str, Callable[[Any, int], Any]] = {
    "count": _count,
    "count in a loop": _nested,
    "a branch": _branch,
    "a recurrent layer": partial(_recurrent, gradient=False),
    "a recurrent layer, with gradient": partial(_recurrent, gradient=True),
    "map_fn": _rows,
}


def _call(tf: Any, loop: Callable[[Any, int], Any], n: int) -> Callable[[], Any]:
    """Return a function that runs a loop of n iterations, in a session of one thread."""
    with tf.Graph().as_default() as graph:
        result = loop(tf, n)
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    call: Callable[[], Any] = tf.Session("", graph=graph, config=config).make_callable(result)
    return call


def _seconds(call: Callable[[], Any]) -> float:
    """Return the seconds an iteration."""
    return seconds_a_call(call, seconds=0.5) / ITERATIONS


def _fact(tf: Any, loop: Callable[[Any, int], Any]) -> list[float]:
    return [float(_call(tf, loop, CHECKED)())]


def cases(tf: Any) -> tuple[dict[str, Sample], dict[str, Callable[[], list[float]]]]:
    """Return the samples, in seconds an iteration, and the facts: the results of a few iterations."""
    samples: dict[str, Sample] = {
        name: partial(_seconds, _call(tf, loop, ITERATIONS // 10 if loop is _nested else ITERATIONS))
        for name, loop in LOOPS.items()
    }
    return samples, {name: partial(_fact, tf, loop) for name, loop in LOOPS.items()}
