"""Options of sessions and of runs.

Source: tf.ConfigProto, tf.RunOptions of TensorFlow 1.15, as far as they mean something here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class ConfigProto:
    """Options of a session.

    device_count: how many devices of a type a local session has, such as {"CPU": 2}; GPUs beyond those of the machine
    are virtual.  operation_timeout_in_ms: the default limit of each run, in milliseconds; 0 for none.
    allow_soft_placement: an operation whose device or kernel does not exist goes to the CPU of its task.
    log_device_placement: log where each operation goes.

    inter_op_parallelism_threads: how many programs (operations that start and end together) of the session compute at
    once in one process; 0 or less for no limit.  What waits, for a queue for example, and `py_func` do not count.
    intra_op_parallelism_threads: how many threads a matrix product may use, in each process that the session uses; 0
    for what the BLAS library there is set to, which is never exceeded.  A process has one such number: the smallest
    that a session gave, and less if loops that multiply matrices share its cores.
    """

    device_count: Mapping[str, int] = field(default_factory=dict)
    inter_op_parallelism_threads: int = 0
    intra_op_parallelism_threads: int = 0
    allow_soft_placement: bool = False
    log_device_placement: bool = False
    operation_timeout_in_ms: int = 0

    def __post_init__(self) -> None:
        if self.operation_timeout_in_ms < 0:
            raise ValueError(f"operation_timeout_in_ms must not be negative, got {self.operation_timeout_in_ms}")
        if self.intra_op_parallelism_threads < 0:
            raise ValueError(f"intra_op_parallelism_threads must not be negative, {self.intra_op_parallelism_threads}")


@dataclass
class RunOptions:
    """Options of one run.  timeout_in_ms: its limit, in milliseconds; 0 for the session's."""

    timeout_in_ms: int = 0
    trace_level: int = 0
    output_partition_graphs: bool = False

    def __post_init__(self) -> None:
        if self.timeout_in_ms < 0:
            raise ValueError(f"timeout_in_ms must not be negative, got {self.timeout_in_ms}")


@dataclass
class RunMetadata:
    """What a run tells of itself, if its options ask for it.  `placement`: operation -> device."""

    placement: dict[str, str] = field(default_factory=dict)
