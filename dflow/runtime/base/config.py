"""Options of sessions and of runs.

Source: tf.ConfigProto, tf.RunOptions and tf.RunMetadata of TensorFlow 1.15; the fields that mean something in dflow.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class ConfigProto:
    """Options of a session.

    device_count: how many devices of a type a local session has, such as {"CPU": 2}; GPUs beyond those of the machine
    are virtual.  operation_timeout_in_ms: the default limit of each run, in milliseconds; 0 for none.  It bounds
    the start of a loop, too, but none of its steps.
    allow_soft_placement: an operation whose device or kernel does not exist goes to the CPU of its task.
    log_device_placement: log where each operation goes.

    inter_op_parallelism_threads: how many programs (operations that start and end together) of the session compute at
    once in one process; 0 or less for no limit.  Operations that wait, for a queue for example, and `py_func` do not
    count.
    intra_op_parallelism_threads: how many threads a matrix product may use, in each process that the session uses; 0
    for the number that the BLAS library there is set to.  This number is never exceeded.  A process has one limit for
    all sessions: the smallest of theirs, and less if loops that multiply matrices share its cores.
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


class TraceLevel(enum.IntEnum):
    """How much a run traces.  It has no effect: a `RunMetadata` is filled in whenever a run gets one."""

    NO_TRACE = 0
    SOFTWARE_TRACE = 1
    HARDWARE_TRACE = 2
    FULL_TRACE = 3

    @classmethod
    def Value(cls, name: str) -> int:
        """The number of a name; ValueError if there is none."""
        if name not in cls.__members__:
            raise ValueError(f"TraceLevel has no value {name!r}; its names are {', '.join(cls.__members__)}")
        return int(cls[name])

    @classmethod
    def Name(cls, number: int) -> str:
        """The name of a number; ValueError if there is none."""
        return cls(number).name

    @classmethod
    def keys(cls) -> list[str]:
        return list(cls.__members__)

    @classmethod
    def values(cls) -> list[int]:
        return [int(level) for level in cls]

    @classmethod
    def items(cls) -> list[tuple[str, int]]:
        return list(zip(cls.keys(), cls.values(), strict=True))


@dataclass
class RunOptions:
    """Options of one run.  timeout_in_ms: its limit, in milliseconds; 0 for the session's.

    trace_level: a number or a name of `TraceLevel`, of no effect; ValueError for another name.
    """

    TraceLevel = TraceLevel
    NO_TRACE = TraceLevel.NO_TRACE
    SOFTWARE_TRACE = TraceLevel.SOFTWARE_TRACE
    HARDWARE_TRACE = TraceLevel.HARDWARE_TRACE
    FULL_TRACE = TraceLevel.FULL_TRACE

    timeout_in_ms: int = 0
    trace_level: int | str = 0
    output_partition_graphs: bool = False

    def __post_init__(self) -> None:
        if self.timeout_in_ms < 0:
            raise ValueError(f"timeout_in_ms must not be negative, got {self.timeout_in_ms}")
        if isinstance(self.trace_level, str):
            self.trace_level = TraceLevel.Value(self.trace_level)
        if not isinstance(self.trace_level, int):
            raise TypeError(f"trace_level is a number or a name of TraceLevel, got {self.trace_level!r}")


@dataclass
class RunMetadata:
    """Information about a run, which fills it in.  placement: operation -> device."""

    placement: dict[str, str] = field(default_factory=dict)
