"""The devices of the checks: sessions on a CPU and on a GPU, and other libraries beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import dflow as df
from dflow.runtime.device.own_devices import gpu_count

CPU, GPU = "/cpu:0", "/gpu:0"
REAL = gpu_count() > 0


def session(graph: Any) -> Any:
    """A session with a GPU, which is virtual on a machine without one."""
    return df.Session(graph=graph, config=df.ConfigProto(device_count={"GPU": 1}))


def synchronize() -> None:
    """Wait until the GPU has done its work."""
    if REAL:
        import cupy

        cupy.cuda.get_current_stream().synchronize()


def seconds(call: Callable[[], Any], samples: int = 5, least_s: float = 0.05) -> float:
    """The median time of a call, after one that is not measured."""
    call()
    synchronize()
    times = []
    for _ in range(samples):
        calls, started = 0, time.perf_counter()
        while calls == 0 or time.perf_counter() - started < least_s:
            call()
            calls += 1
        synchronize()
        times.append((time.perf_counter() - started) / calls)
    return median(times)


def torch() -> Any:
    """PyTorch, or None."""
    try:
        import torch
    except ImportError:
        return None
    return torch
