"""The checks of `make test-gpu`, in their order: first what shows most, as the time may not suffice for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A command of Python, with its arguments, and the seconds after which it is killed.

    table: whether its output goes into the report if it passes.
    """

    name: str
    about: str
    command: tuple[str, ...]
    limit_s: float
    table: bool = False


PLUGINS = ("xdist.plugin", "pytest_timeout", "_hypothesis_pytestplugin")  # those of the machine may get in the way


def pytest(*arguments: str) -> tuple[str, ...]:
    plugins = [it for plugin in PLUGINS for it in ("-p", plugin)]
    workers = str(max(1, (os.cpu_count() or 1) // 2))
    return ("-m", "pytest", "-q", "-n", workers, *plugins, "-p", "no:cacheprovider", *arguments)


def checks(gpu: bool) -> Iterator[Check]:
    """gpu: whether there is a GPU.  Without one, programs that say nothing of GPUs are left to `make test`."""
    arrays = "cupy" if gpu else "strict"
    yield Check(
        "operations",
        f"each line of the operations' oracle table on {arrays} arrays: values, dtypes, gradients, batch rules",
        pytest("tests/ops/test_oracle.py", "-k", f"{arrays} or gradient"),
        270,
    )
    yield Check("transfers", "arrays between CPU and GPU", ("-m", "tests.gpu.transfers"), 60, table=True)
    yield Check(
        "training",
        "two networks on a GPU: the losses of the CPU, and the time of a step",
        ("-m", "tests.gpu.training"),
        120,
        table=True,
    )
    yield Check("kernels", "kernels on the GPU beside NumPy's", ("-m", "tests.gpu.kernels"), 90, table=True)
    programs = "tests/conformance" if gpu else "tests/conformance/test_devices.py"
    yield Check("programs", "the conformance programs, locally and on a cluster", pytest(programs), 240)
