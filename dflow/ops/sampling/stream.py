"""The generators of stateful operations: one of TensorFlow's numbers for seeds, and a fast one for none.

With seeds, an operation draws in each new session the numbers that TensorFlow draws on a CPU.  Without, nobody can
tell where its numbers come from: they are those of NumPy's generator, which is several times faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dflow.ops.rules.arrays import sizes_of
from dflow.ops.rules.ranks import bracketed, require
from dflow.ops.sampling.philox import RESERVED, Philox
from dflow.registry import KernelContext

__all__ = ["Seeds", "Stream", "drawn", "generator_of", "stream_of", "target_of"]

Array = np.ndarray[Any, Any]
Seeds = tuple[int, int]  # of the graph and of the operation; (0, 0): from entropy


class Stream:
    """The sequence of an operation's numbers, of which each run takes the next part."""

    def __init__(self, seeds: Seeds) -> None:
        self._next = Philox.of_seeds(*seeds)
        self._lock = threading.Lock()

    def take(self, outputs: int) -> Philox:
        """The place where the next run starts; the calls that so many outputs reserve are left for it."""
        with self._lock:
            start = self._next
            self._next = start.skip(outputs * RESERVED)
        return start


def stream_of(context: KernelContext, seeds: Seeds) -> Stream:
    """The operation's stream in this session."""
    stream: Stream = context.per_session(lambda: Stream(seeds))
    return stream


def generator_of(context: KernelContext, seeds: Seeds) -> np.random.Generator:
    """The operation's NumPy generator in this session; made at its first draw."""

    def make() -> np.random.Generator:
        entropy = None if seeds == (0, 0) else seeds
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))

    generator: np.random.Generator = context.per_session(make)
    return generator


def target_of(sizes: Any, shape: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """The shape of an attribute, or of an input; InvalidArgumentError for a negative size."""
    target = sizes_of(sizes) if shape is None else shape
    require(min(target, default=0) >= 0, f"Dimensions must be >= 0, got {bracketed(target)}")
    return target


def drawn(
    context: KernelContext,
    target: tuple[int, ...],
    seeds: Seeds,
    exact: Callable[[Philox, int], Array],
    fast: Callable[[np.random.Generator], Any],
) -> Any:
    """Values of a shape: from a place of TensorFlow's sequence and their number, or from NumPy's generator."""
    if seeds == (0, 0):
        return context.asarray(np.asarray(fast(generator_of(context, seeds))))
    count = prod(target)
    return context.asarray(exact(stream_of(context, seeds).take(count), count).reshape(target))
