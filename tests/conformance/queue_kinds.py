"""The kinds of queues with arguments in one order, for tests that try all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dflow as tf

Make = Callable[..., tf.QueueBase]


def padding(capacity: int, dtypes: Any, shapes: Any = None, **more: Any) -> tf.QueueBase:
    """A PaddingFIFOQueue, which wants a list of shapes: that of the only component may stand alone here."""
    one = not isinstance(dtypes, (list, tuple)) and isinstance(shapes, tuple)
    return tf.PaddingFIFOQueue(capacity, dtypes, [shapes] if one else shapes, **more)


def shuffle(capacity: int, dtypes: Any, shapes: Any = None, **more: Any) -> tf.QueueBase:
    return tf.RandomShuffleQueue(capacity, 0, dtypes, shapes, **more)


KINDS: dict[str, Make] = {
    "fifo_queue": tf.FIFOQueue,
    "padding_fifo_queue": padding,
    "priority_queue": tf.PriorityQueue,
    "random_shuffle_queue": shuffle,
}
TYPES = {
    "fifo_queue": "FIFOQueueV2",
    "padding_fifo_queue": "PaddingFIFOQueueV2",
    "priority_queue": "PriorityQueueV2",
    "random_shuffle_queue": "RandomShuffleQueueV2",
}
kinds = pytest.mark.parametrize("kind", KINDS)
strict_kinds = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "padding_fifo_queue"])


def components(kind: str, *values: Any) -> list[Any]:
    """An element, with a priority where one is needed."""
    return [np.int64(1), *values] if kind == "priority_queue" else list(values)
