"""What the tables of operations are made of: a case, and random inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

RNG = np.random.default_rng(7)


def real(*shape: int) -> np.ndarray:
    """Any numbers."""
    return RNG.normal(size=shape)


def positive(*shape: int) -> np.ndarray:
    """Numbers well above 0."""
    return RNG.uniform(0.5, 2.0, size=shape)


def whole(*shape: int, low: int = 1, high: int = 9) -> np.ndarray:
    """Integers, not 0 unless it is asked for."""
    return RNG.integers(low, high, size=shape, dtype=np.int32)


def truth(*shape: int) -> np.ndarray:
    return RNG.random(shape) < 0.5


@dataclass(frozen=True)
class Case:
    """One way to use an operation.

    build: makes the tensor, or the tensors, of tensors; judge: computes the same of arrays.
    numbers: which inputs are shapes, axes and the like: never batched, never differentiated.
    unknown: is it tried with inputs of unknown shape too?  second: are its second derivatives?
    """

    build: Callable[..., Any]
    judge: Callable[..., Any]
    inputs: tuple[Any, ...]
    numbers: tuple[int, ...] = ()
    unknown: bool = True
    second: bool = True
