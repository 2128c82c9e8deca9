"""A device function for training with parameter servers: variables on the ps tasks in turn, all else on the worker.

    with df.device(df.train.replica_device_setter(cluster={"ps": ["ps0:2222", "ps1:2222"], "worker": ["w0:2222"]})):
        w = df.Variable(...)     # on /job:ps/task:0
        b = df.Variable(...)     # on /job:ps/task:1
        y = x * w + b            # on /job:worker

A variable's initializer and reads, and an optimizer's slots, are colocated with the variable and take no turn.
Source: tf.train.replica_device_setter of TensorFlow 1.15.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dflow import forks
from dflow.cluster.spec import ClusterSpec
from dflow.devices import DeviceSpec
from dflow.graph import Operation

DeviceFunction = Callable[[Operation], str]

# Kinds of operations with state that the workers share.  Queues are not among them: each worker fills its own.
STANDARD_PS_OPS = (
    "VariableV2",
    "MutableHashTable",
    "MutableDenseHashTable",
    "ConditionalAccumulator",
    "SparseConditionalAccumulator",
)


def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Sequence[str] | None = None,
    ps_strategy: Callable[[Operation], int] | None = None,
) -> DeviceFunction | None:
    """A function for `device()` that spreads shared state over the ps tasks and puts the rest on `worker_device`.

    ps_tasks: how many ps tasks there are.  ps_device, worker_device: (partial) device names; a ps device without a job
    gets no task.  merge_devices: add to the devices of inner blocks; False: leave those operations alone.
    cluster: a ClusterSpec, or an argument for one; its ps job overrides `ps_tasks`.
    ps_ops: the kinds of operations that go to the ps tasks; None: `STANDARD_PS_OPS`.
    ps_strategy: a function of the operation that gives its task; None: round robin in the order of creation.

    Returns None, which requests no device, if there are no ps tasks.  TypeError for a strategy that is no function.
    """
    if cluster is not None:
        jobs = ClusterSpec(cluster).as_dict()
        ps_tasks = len(jobs.get(DeviceSpec.from_string(ps_device).job or "", ()))
    if ps_tasks == 0:
        return None
    if ps_strategy is None:
        ps_strategy = _RoundRobin(ps_tasks)
    if not callable(ps_strategy):
        raise TypeError("ps_strategy must be callable")
    kinds = frozenset(STANDARD_PS_OPS if ps_ops is None else ps_ops)
    return _DeviceChooser(ps_device, worker_device, merge_devices, kinds, ps_strategy)


class _RoundRobin:
    """The ps tasks in turn."""

    def __init__(self, tasks: int) -> None:
        self._tasks = itertools.cycle(range(tasks))
        self._lock = threading.Lock()
        forks.new_lock_in_child(self, "_lock")

    def __call__(self, op: Operation) -> int:
        with self._lock:
            return next(self._tasks)


@dataclass(frozen=True)
class _DeviceChooser:
    """The device of an operation, from `op.device` as the inner blocks have set it."""

    ps_device: str
    worker_device: str
    merge_devices: bool
    ps_ops: frozenset[str]
    ps_strategy: Callable[[Operation], int]

    def __call__(self, op: Operation) -> str:
        if op.device and not self.merge_devices:
            return op.device
        requested = DeviceSpec.from_string(op.device)
        if op.type in self.ps_ops and self.ps_device:
            default = self._ps_spec(op, requested)
        else:
            default = DeviceSpec.from_string(self.worker_device or "")
        return default.make_merged_spec(requested).to_string()

    def _ps_spec(self, op: Operation, requested: DeviceSpec) -> DeviceSpec:
        spec = DeviceSpec.from_string(self.ps_device)
        if spec.job and requested.job in (None, spec.job):
            return spec.replace(task=self.ps_strategy(op))
        return spec
