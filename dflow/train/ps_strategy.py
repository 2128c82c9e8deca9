"""Strategies that choose the ps task of a variable, for `ps_strategy=` of `replica_device_setter`.

    greedy = df.contrib.training.GreedyLoadBalancingStrategy(2, df.contrib.training.byte_size_load_fn)
    with df.device(df.train.replica_device_setter(ps_tasks=2, ps_strategy=greedy)):
        ...

Source: tf.contrib.training of TensorFlow 1.15.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from dflow import forks
from dflow.graph import Operation

__all__ = ["GreedyLoadBalancingStrategy", "RandomStrategy", "byte_size_load_fn"]


class RandomStrategy:
    """A task that follows from the operation's name: evenly spread, and the same in every process.

    num_ps: the number of ps tasks.  seed: another one spreads the same names in another way.
    """

    def __init__(self, num_ps: int, seed: int = 0) -> None:
        self._tasks = num_ps
        self._seed = seed

    def __call__(self, op: Operation) -> int:
        digest = hashlib.md5(f"{op.name}_{self._seed}".encode(), usedforsecurity=False).digest()
        return int.from_bytes(digest) % self._tasks


class GreedyLoadBalancingStrategy:
    """The task that has the smallest load so far; the first of them, if there are several.

    num_tasks: the number of ps tasks.  load_fn: the load of an operation, such as `byte_size_load_fn`.
    """

    def __init__(self, num_tasks: int, load_fn: Callable[[Operation], float]) -> None:
        self._loads: list[float] = [0.0] * num_tasks
        self._load_fn = load_fn
        self._lock = threading.Lock()
        forks.new_lock_in_child(self, "_lock")

    def __call__(self, op: Operation) -> int:
        load = self._load_fn(op)
        with self._lock:
            task = self._loads.index(min(self._loads))
            self._loads[task] += load
        return task


def byte_size_load_fn(op: Operation) -> int:
    """The bytes of the value of a variable's operation; of a string, those of its pointer.

    ValueError for an operation that has not one output, or whose shape is not known.
    """
    if len(op.outputs) != 1:
        raise ValueError(f"{op.name!r} must have one output, it has {len(op.outputs)}")
    (output,) = op.outputs
    count = output.shape.num_elements()
    if count is None:
        raise ValueError(f"the shape of {op.name!r} must be known to tell its size, it is {output.shape}")
    return count * output.dtype.size
