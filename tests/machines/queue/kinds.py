"""The table of kinds: how elements of each kind of queue hold a number, for tests that try all kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dflow import dtypes
from tests.machines.queue.helpers import one


@dataclass(frozen=True)
class Kind:
    """A kind of queue, of elements that hold a number.  As Python lists they are `numbers` again."""

    element: Callable[[int], tuple[np.ndarray, ...]] = one
    batch: Callable[[list[int]], tuple[np.ndarray, ...]] = one
    number: Callable[[Any], int] = int
    numbers: Callable[[Any], list[int]] = list
    ordered: bool = True  # as the model says; if not, in any order
    rank: Callable[[int], tuple[int, int]] | None = None  # the order in which numbers leave; None: as they came
    arguments: dict[str, Any] = field(default_factory=dict)


def unequal(values: list[int]) -> tuple[np.ndarray, ...]:
    """Vectors of some size, which hold their value all over."""
    size = 1 + (values[0] % 4 if values else 0)
    return one([[value] * size for value in values] or np.zeros((0, size)))


def first_of(vector: list[int]) -> int:
    kept = [value for value in vector if value]
    assert kept == [vector[0]] * len(kept)
    assert vector == kept + [0] * (len(vector) - len(kept))
    return vector[0]


def all_first(vectors: list[list[int]]) -> list[int]:
    """The values, if each vector is padded at its end and one of them not at all."""
    assert not vectors or any(vector[-1] for vector in vectors)
    return [first_of(vector) for vector in vectors]


def rank(value: int) -> tuple[int, int]:
    """A priority, and for equal ones the order in which values came."""
    return value * 7 % 4 - 1, value


def ranked(values: list[int]) -> tuple[np.ndarray, ...]:
    return np.array([rank(value)[0] for value in values], np.int64), *one(values)


def second_of(element: tuple[Any, Any]) -> Any:
    """The value or the values, if their priorities are with them."""
    priorities, values = element
    assert np.ravel(priorities).tolist() == [rank(value)[0] for value in np.ravel(values)]
    return values


KINDS = {
    "FIFOQueue": Kind(),
    "PaddingFIFOQueue": Kind(
        element=lambda value: (unequal([value])[0][0],),
        batch=unequal,
        number=first_of,
        numbers=all_first,
        arguments={"shapes": [(None,)]},
    ),
    "PriorityQueue": Kind(
        element=lambda value: tuple(column[0, ...] for column in ranked([value])),
        batch=ranked,
        number=second_of,
        numbers=second_of,
        rank=rank,
        arguments={"types": [dtypes.int64, dtypes.int32], "shapes": [(), ()]},
    ),
    "RandomShuffleQueue": Kind(ordered=False, arguments={"seed": (1, 2)}),
}
