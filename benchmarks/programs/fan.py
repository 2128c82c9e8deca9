"""A step on several workers: one sends 8 numbers to all, each computes with them, and the first adds up the results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from competitors import Fact
from measure import SMALL, Sample, seconds_a_call, seconds_once

ALL = 2 if SMALL else 64  # number of workers of the cluster
TOUCHED: Sequence[int] = (1, 2) if SMALL else (1, 4, 16, ALL)
FIRST, LATER = "first run", "later runs"
VALUE = np.ones(8, np.float32)


def case(workers: int, what: str) -> str:
    return f"{workers} worker{'s' * (workers > 1)}: {what}"


def device(task: int) -> str:
    return f"/job:worker/task:{task}/cpu:0"


class Fan:
    """A step that touches `workers` workers.  All times are divided by their number."""

    def __init__(self, tf: Any, target: str, workers: int) -> None:
        self._tf, self._workers = tf, workers
        self._graph = tf.Graph()
        with self._graph.as_default(), tf.device(device(0)):
            self._x = tf.placeholder(tf.float32, [8])
        self._sess = tf.Session(target, graph=self._graph)
        self._kept = self._build()

    def _build(self) -> Any:
        parts = []
        with self._graph.as_default():
            for task in range(self._workers):
                with self._tf.device(device(task)):
                    parts.append(self._tf.tanh(self._x))
            with self._tf.device(device(0)):
                return self._tf.add_n(parts)

    def _run(self, y: Any) -> Any:
        return self._sess.run(y, {self._x: VALUE})

    def first(self) -> float:
        """Return the median time of first runs of new operations, in a session that is already open."""
        fresh = [self._build() for _ in range(3)]
        return median(seconds_once(partial(self._run, y)) for y in fresh) / self._workers

    def later(self) -> float:
        deadline = time.perf_counter() + 0.1
        while time.perf_counter() < deadline:
            self._run(self._kept)
        return seconds_a_call(lambda: self._run(self._kept)) / self._workers

    def value(self) -> list[float]:
        found: list[float] = self._run(self._kept).tolist()
        return found


def all_cases(tf: Any, target: str) -> tuple[dict[str, Sample], dict[str, Fact]]:
    """Return the samples and the facts.  target: the address of a cluster of `ALL` workers."""
    fans = {workers: Fan(tf, target, workers) for workers in TOUCHED}
    samples: dict[str, Sample] = {}
    for workers, fan in fans.items():
        samples |= {case(workers, FIRST): fan.first, case(workers, LATER): fan.later}
    return samples, {case(workers, LATER): fan.value for workers, fan in fans.items()}
