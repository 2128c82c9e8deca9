"""Options of sessions and of runs: TensorFlow's messages, and what their fields mean in dflow.

Source: tf.ConfigProto, tf.RunOptions and tf.RunMetadata of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from dflow import config_proto

if TYPE_CHECKING:  # the classes are made from tables, which mypy does not see through

    class ConfigProto:
        """Options of a session.

        device_count: how many devices of a type a local session has, such as {"CPU": 2}; GPUs beyond those of the
        machine are virtual.  operation_timeout_in_ms: the default limit of each run, in milliseconds; 0 for none.  It
        bounds the start of a loop, too, but none of its steps.
        allow_soft_placement: an operation whose device or kernel does not exist goes to the CPU of its task.
        log_device_placement: log where each operation goes.

        inter_op_parallelism_threads: how many programs (operations that start and end together) of the session compute
        at once in one process; 0 or less for no limit.  Operations that wait, for a queue for example, and `py_func` do
        not count.
        intra_op_parallelism_threads: how many threads a matrix product may use, in each process that the session uses;
        0 for the number that the BLAS library there is set to.  This number is never exceeded.  A process has one limit
        for all sessions: the smallest of theirs, and less if loops that multiply matrices share its cores.
        All other fields, such as `gpu_options` and `graph_options`, are kept and have no effect.
        """

        device_count: MutableMapping[str, int]
        inter_op_parallelism_threads: int
        intra_op_parallelism_threads: int
        allow_soft_placement: bool
        log_device_placement: bool
        operation_timeout_in_ms: int

        def __init__(self, **fields: Any) -> None: ...
        def CopyFrom(self, other: ConfigProto) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    class RunOptions:
        """Options of one run.  timeout_in_ms: its limit, in milliseconds; 0 for the session's.

        trace_level: at any level but NO_TRACE, the `RunMetadata` of the run gets the times of its operations.
        """

        timeout_in_ms: int
        trace_level: int

        def __init__(self, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    class RunMetadata:
        """Information about a run, which fills it in.

        placement: operation -> device.
        step_stats: of a run with a `trace_level`, the times of its operations on each device; `client.timeline` makes
        a Chrome trace of it.
        """

        placement: MutableMapping[str, str]
        step_stats: Any

        def __init__(self, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

else:
    ConfigProto = config_proto.ConfigProto
    RunOptions = config_proto.RunOptions
    RunMetadata = config_proto.RunMetadata


def checked_config(config: ConfigProto | None) -> ConfigProto:
    """A copy of the options of a session, the default ones for None.

    TypeError for an object of another class; ValueError for a negative limit.
    """
    copy = ConfigProto()
    if config is not None:
        if not isinstance(config, ConfigProto):
            raise TypeError(f"config must be a tf.ConfigProto, but got {config!r}")
        copy.CopyFrom(config)
    for name in ("operation_timeout_in_ms", "intra_op_parallelism_threads"):
        if getattr(copy, name) < 0:
            raise ValueError(f"{name} must not be negative, got {getattr(copy, name)}")
    return copy


def checked_options(options: RunOptions) -> RunOptions:
    """The options of a run.  TypeError for an object of another class; ValueError for a negative limit."""
    if not isinstance(options, RunOptions):
        raise TypeError(f"options must be a tf.RunOptions, but got {options!r}")
    if options.timeout_in_ms < 0:
        raise ValueError(f"timeout_in_ms must not be negative, got {options.timeout_in_ms}")
    return options
