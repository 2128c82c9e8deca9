"""The devices of a process: its CPUs, the GPUs that CuPy sees, and virtual ones."""

from __future__ import annotations

from functools import partial

import numpy as np

from dflow.devices import device_name
from dflow.runtime.base import settings
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.device.executor import DeviceExecutor


def gpu_count() -> int:
    """The number of GPUs that CuPy sees in this process; 0 without CuPy or without a driver."""
    try:
        import cupy
    except ImportError:
        return 0
    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


def make_gpu_executor(name: str, index: int) -> DeviceExecutor:
    """The executor of a real GPU."""
    import cupy

    return DeviceExecutor(name, cupy, scope=partial(cupy.cuda.Device, index))


def local_executors(config: ConfigProto, job: str = "localhost", task: int = 0) -> list[DeviceExecutor]:
    """The devices of this process: its CPUs, its GPUs and virtual ones."""
    executors = [DeviceExecutor(device_name(job, task, "CPU", i)) for i in range(config.device_count.get("CPU", 1))]
    real = gpu_count()
    count = config.device_count.get("GPU", real or settings.virtual_gpus())
    for i in range(count):
        name = device_name(job, task, "GPU", i)
        executors.append(make_gpu_executor(name, i) if i < real else DeviceExecutor(name, np, virtual=True))
    return executors
