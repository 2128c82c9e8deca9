"""The distributions of candidate samplers: how they draw, and how probable each class is.

Source: range_sampler of TensorFlow 1.15, whose random numbers are others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dflow.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]

__all__ = ["Candidates", "Distribution", "LogUniform", "Uniform", "Unigram", "fixed_unigram", "sample"]


class Distribution(Protocol):
    """Numbers in [0, size)."""

    size: int

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        """`count` numbers, independent of each other."""

    def probability(self, numbers: Array) -> Array:
        """How probable each number is, float64."""


@dataclass
class Uniform:
    """Every number is equally probable."""

    size: int

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        return generator.integers(0, self.size, count, dtype=np.int64)

    def probability(self, numbers: Array) -> Array:
        return np.full(numbers.shape, 1.0 / self.size)


@dataclass
class LogUniform:
    """Number i has the probability log((i + 2) / (i + 1)) / log(size + 1), as of words in order of frequency."""

    size: int

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        drawn: Array = np.exp(generator.random(count) * math.log1p(self.size)).astype(np.int64) - 1
        drawn %= self.size  # rounding may give the size itself
        return drawn

    def probability(self, numbers: Array) -> Array:
        chances: Array = np.log((numbers + 2.0) / (numbers + 1.0)) / math.log1p(self.size)
        return chances


class Unigram:
    """Probabilities in proportion to weights; `shards`: number i stands for class i * shards + shard."""

    def __init__(self, weights: Array, shards: int = 1, shard: int = 0) -> None:
        self.weights = weights
        self.size = len(weights)
        self._shards = shards
        self._shard = shard
        self._sums: Array | None = None

    def draw(self, generator: np.random.Generator, count: int) -> Array:
        if self._sums is None:
            self._sums = np.cumsum(self.weights)
        drawn = np.searchsorted(self._sums, generator.random(count) * self._sums[-1], side="right")
        numbers: Array = np.minimum(drawn, self.size - 1).astype(np.int64)
        return numbers * self._shards + self._shard

    def probability(self, numbers: Array) -> Array:
        inside = (numbers >= 0) & (numbers < self.size)
        chances: Array = np.where(inside, self.weights[np.where(inside, numbers, 0)], 0.0) / self.weights.sum()
        return chances

    def count(self, numbers: Array) -> None:
        """Add one to the weight of each number."""
        np.add.at(self.weights, numbers.reshape(-1), 1.0)
        self._sums = None


def fixed_unigram(
    unigrams: Sequence[float], vocab_file: str, distortion: float, reserved: int, shards: int, shard: int
) -> Unigram:
    """Weights, from a list or from the last column of a CSV file, to the power of `distortion`.

    The first `reserved` classes are never drawn.  Only classes i with i % shards == shard are.
    """
    if bool(unigrams) == bool(vocab_file):
        raise InvalidArgumentError(None, None, "Must provide either unigrams or vocab_file, and not both.")
    if vocab_file:
        with open(vocab_file) as file:
            unigrams = [float(line.strip().rpartition(",")[2]) for line in file if line.strip()]
    weights = np.concatenate([np.zeros(reserved), np.power(np.asarray(unigrams, np.float64), distortion)])
    return Unigram(weights[shard::shards], shards, shard)


@dataclass
class Candidates:
    """Drawn classes, and how often each of them, and each true class, is expected among them."""

    sampled: Array  # int64 [count]
    true_expected: Array  # float32, in the shape of the true classes
    sampled_expected: Array  # float32 [count]


def sample(
    distribution: Distribution, generator: np.random.Generator, true_classes: Array, count: int, unique: bool
) -> Candidates:
    """Draw `count` classes.  unique: each at most once; InvalidArgumentError if there are fewer than `count`."""
    if not unique:
        drawn, tries = distribution.draw(generator, count), count
    else:
        if count > distribution.size:
            raise InvalidArgumentError(None, None, "Sampler's range is too small.")
        drawn, tries = _distinct(distribution, generator, count)

    def expected(numbers: Array) -> Array:
        p = distribution.probability(numbers)
        counts = p * count if tries == count else -np.expm1(tries * np.log1p(-p))
        return counts.astype(np.float32)

    return Candidates(drawn, expected(true_classes), expected(drawn))


def _distinct(distribution: Distribution, generator: np.random.Generator, count: int) -> tuple[Array, int]:
    """The first `count` different numbers of draws, and how many draws that took."""
    drawn = np.empty(0, np.int64)
    while True:
        drawn = np.concatenate([drawn, distribution.draw(generator, max(16, count, len(drawn)))])
        first = np.sort(np.unique(drawn, return_index=True)[1])[:count]
        if len(first) == count:
            return drawn[first], int(first[-1]) + 1 if count else 0
