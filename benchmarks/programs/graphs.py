"""Chains of operations, for graphs of many sizes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    """Build a chain of `ops` operations on 8 numbers that are fed.  Returns the graph, its input and its output."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [8])
        y = chain(tf, x, ops)
    return graph, x, y


class Chain:
    """A graph of `ops` operations.  All times are divided by their number."""

    def __init__(self, tf: Any, ops: int) -> None:
        self._tf, self._ops = tf, ops
        self._feed = np.ones(8, np.float32)
        self._new: Any = None  # a graph that is built and has not run yet
        self._kept: Any = None

    def building(self) -> float:
        started = time.perf_counter()
        self._new = build(self._tf, self._ops)
        return (time.perf_counter() - started) / self._ops

    def first(self) -> float:
        """Return the time of the first run of the graph that was built last, in a new session that is already open."""
        (graph, x, y), self._new = self._new, None
        with self._tf.Session("", graph=graph) as sess:
            return seconds_once(lambda: sess.run(y, {x: self._feed})) / self._ops

    def later(self) -> float:
        self.value()
        return seconds_a_call(self.value) / self._ops

    def value(self) -> list[float]:
        sess, x, y = self.session()
        found: list[float] = sess.run(y, {x: self._feed}).tolist()
        return found

    def session(self) -> Any:
        """Return a session that stays open, with its input and its output."""
        if self._kept is None:
            graph, x, y = build(self._tf, self._ops)
            self._kept = self._tf.Session("", graph=graph), x, y
        return self._kept


def chains(tf: Any, sizes: Sequence[int] = OPS) -> dict[int, Chain]:
    return {ops: Chain(tf, ops) for ops in sizes}


def all_cases(of_sizes: Mapping[int, Chain]) -> tuple[dict[str, Sample], dict[str, Fact]]:
    samples: dict[str, Sample] = {}
    facts: dict[str, Fact] = {}
    for ops, one in of_sizes.items():
        samples |= {case(ops, BUILD): one.building, case(ops, FIRST): one.first, case(ops, LATER): one.later}
        facts[case(ops, LATER)] = one.value
    return samples, facts
