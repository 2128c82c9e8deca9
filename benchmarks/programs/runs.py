"""Single runs of small operations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from competitors import Fact
from measure import Sample, seconds_a_call, seconds_rested

from programs import WORKERS

RUN_ONE, RUN_TWENTY = "Session.run of one operation", "Session.run of a chain of 20"
CALL_ONE, CALL_TWENTY = "make_callable of one operation", "make_callable of a chain of 20"
RUN_QUEUE = "Session.run of enqueue, then dequeue"
ONE_FIRST, ONE_LATER = "one operation, first run", "one operation, later runs"
TWO_FIRST, TWO_LATER = "two workers, first run", "two workers, later runs"


def chain(tf: Any, x: Any, operations: int) -> Any:
    """Build a chain that alternates two kinds of operations, because TensorFlow merges a chain of `tanh` into one."""
    y = x
    for i in range(operations):
        y = tf.maximum(y, x) if i % 2 else tf.tanh(y)
    return y


def local_runs(tf: Any) -> dict[str, Sample]:
    """Return the samples of small operations in a session of this process."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [8])
        one = tf.tanh(x)
        twenty = chain(tf, x, 20)
        queue = tf.FIFOQueue(10, [tf.float32], [(8,)])
        with tf.control_dependencies([queue.enqueue([x])]):
            out = queue.dequeue()
        sess = tf.Session("", graph=graph)
        fast_one, fast_twenty = sess.make_callable(one, [x]), sess.make_callable(twenty, [x])
    value = np.ones(8, np.float32)
    return {
        RUN_ONE: lambda: seconds_a_call(lambda: sess.run(one, {x: value})),
        RUN_TWENTY: lambda: seconds_a_call(lambda: sess.run(twenty, {x: value})),
        CALL_ONE: lambda: seconds_a_call(lambda: fast_one(value)),
        CALL_TWENTY: lambda: seconds_a_call(lambda: fast_twenty(value)),
        RUN_QUEUE: lambda: seconds_a_call(lambda: sess.run(out, {x: value})),
    }


def cluster_runs(tf: Any, target: str) -> dict[str, Sample]:
    """Return the samples of first and later runs, with one operation and with two operations on two workers."""
    value = np.ones(8, np.float32)
    graph = tf.Graph()
    with graph.as_default(), tf.device(WORKERS[0]):
        x = tf.placeholder(tf.float32, [8])
    sess = tf.Session(target, graph=graph)

    def build(devices: int) -> Any:
        y = x
        with graph.as_default():
            for device in WORKERS[:devices]:
                with tf.device(device):
                    y = tf.tanh(y)
        return y

    def first(devices: int) -> float:
        """Return the median time of first runs of new operations, in a session that is already open."""
        fresh = [build(devices) for _ in range(5)]
        return median(seconds_rested(partial(sess.run, y, {x: value})) for y in fresh)

    def later(y: Any) -> float:
        deadline = time.perf_counter() + 0.1
        while time.perf_counter() < deadline:
            sess.run(y, {x: value})
        return seconds_a_call(lambda: sess.run(y, {x: value}))

    one, two = build(1), build(2)
    return {
        ONE_FIRST: lambda: first(1),
        ONE_LATER: lambda: later(one),
        TWO_FIRST: lambda: first(2),
        TWO_LATER: lambda: later(two),
    }


def local_facts(tf: Any) -> dict[str, Fact]:
    return {RUN_ONE: lambda: tanh_of(tf, "", [""]), RUN_TWENTY: lambda: chain_of(tf, 20)}


def chain_of(tf: Any, operations: int) -> list[float]:
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [8])
        y = chain(tf, x, operations)
    with tf.Session("", graph=graph) as sess:
        values: list[float] = sess.run(y, {x: np.linspace(-1, 1, 8, dtype=np.float32)}).tolist()
    return values


def cluster_facts(tf: Any, target: str) -> dict[str, Fact]:
    return {
        ONE_FIRST: lambda: tanh_of(tf, target, WORKERS[:1]),
        TWO_FIRST: lambda: tanh_of(tf, target, WORKERS),
    }


def tanh_of(tf: Any, target: str, devices: Sequence[str]) -> list[float]:
    """Return tanh(tanh(...(1))), with one `tanh` on each device."""
    with tf.Graph().as_default() as graph:
        y = x = tf.placeholder(tf.float32, [8])
        for device in devices:
            with tf.device(device):
                y = tf.tanh(y)
    with tf.Session(target, graph=graph) as sess:
        values: list[float] = sess.run(y, {x: np.ones(8, np.float32)}).tolist()
    return values
