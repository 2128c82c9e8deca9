"""Graphs of many sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from competitors import Fact
from measure import SMALL, Sample, seconds_a_call, seconds_once

from programs.runs import chain

OPS: Sequence[int] = (10, 100) if SMALL else (100, 1_000, 10_000, 100_000)
BUILD, FIRST, LATER = "building", "first run", "later run"


def case(ops: int, what: str) -> str:
    return f"{ops:,} operations: {what}"


def build(tf: Any, ops: int) -> tuple[Any, Any, Any]:
    """A chain of so many operations, on 8 numbers that are fed: graph, input, output."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [8])
        y = chain(tf, x, ops)
    return graph, x, y


class Chain:
    """A graph of some size; all its times are for one operation."""

    def __init__(self, tf: Any, ops: int) -> None:
        self._tf, self._ops = tf, ops
        self._feed = np.ones(8, np.float32)
        self._kept: Any = None

    def building(self) -> float:
        return seconds_once(partial(build, self._tf, self._ops)) / self._ops

    def first(self) -> float:
        """In a session of its own, which is open already."""
        graph, x, y = build(self._tf, self._ops)
        with self._tf.Session("", graph=graph) as sess:
            return seconds_once(lambda: sess.run(y, {x: self._feed})) / self._ops

    def later(self) -> float:
        self.value()
        return seconds_a_call(self.value) / self._ops

    def value(self) -> list[float]:
        if self._kept is None:
            graph, x, y = build(self._tf, self._ops)
            self._kept = self._tf.Session("", graph=graph), x, y
        sess, x, y = self._kept
        found: list[float] = sess.run(y, {x: self._feed}).tolist()
        return found


def all_cases(tf: Any) -> tuple[dict[str, Sample], dict[str, Fact]]:
    samples: dict[str, Sample] = {}
    facts: dict[str, Fact] = {}
    for ops in OPS:
        chain = Chain(tf, ops)
        samples |= {case(ops, BUILD): chain.building, case(ops, FIRST): chain.first, case(ops, LATER): chain.later}
        facts[case(ops, LATER)] = chain.value
    return samples, facts
