"""Compiling takes work in proportion to the graph: ten times the operations, about ten times the work.

The work is counted in lines of Python, so that the result is the same on every machine.  A step that looks at all
operations for each one shows as 100 times.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

import dflow as df
from dflow.compile import DeviceTable, compile_plan
from dflow.compile.place import default_device
from tests.compile.helpers import cpu, table_of

SMALL, LARGE = 200, 2_000
MANY = table_of(*[cpu(job="worker", task=i) for i in range(40)])


def chain(size: int) -> list[Any]:
    """Each operation needs the one before."""
    x = df.identity(df.constant(1.0))
    for _ in range(size):
        x = df.negative(x)
    return [x]


def fan(size: int) -> list[Any]:
    """All need one tensor, and one operation waits for all."""
    x = df.identity(df.constant(1.0))
    return [df.group(*[df.negative(x) for _ in range(size)])]


def fetched(size: int) -> list[Any]:
    """Constants, each used and fetched."""
    constants = [df.constant(1.0) for _ in range(size // 2)]
    return [*constants, *[df.negative(c) for c in constants]]


def ping_pong(size: int) -> list[Any]:
    """A chain that goes round all devices: a segment each."""
    x = df.constant(1.0)
    for i in range(size):
        with df.device(f"/task:{i % 40}"):
            x = df.negative(x)
    return [x]


def waiting_line(size: int) -> list[Any]:
    """Dequeues, each after the one before, and something that waits for each."""
    q = df.FIFOQueue(-1, [df.float32], shapes=[()])
    last = q.dequeue()
    for _ in range(size // 2):
        with df.control_dependencies([last]):
            last = df.negative(q.dequeue())
    return [last]


def dequeues(size: int) -> list[Any]:
    """Dequeues, none of which waits for another."""
    q = df.FIFOQueue(-1, [df.float32], shapes=[()])
    return [q.dequeue() for _ in range(size)]


def all_to_all(size: int) -> list[Any]:
    """Layers of a tensor a device, each of which every device needs."""
    layer = [df.identity(df.constant(1.0))] * 40
    for _ in range(size // 80):
        total = df.identity(df.stack(layer))
        parts = []
        for i in range(40):
            with df.device(f"/task:{i}"):
                parts.append(df.reduce_sum(total))
        layer = parts
    return layer


def lines(build: Callable[[int], list[Any]], size: int, table: DeviceTable) -> int:
    """How many lines of Python a compilation runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    with df.Graph().as_default():
        fetches = build(size)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            compile_plan(fetches, [], table, default_device(table))
        finally:
            sys.settrace(before)
    return count


@pytest.mark.parametrize("build", [chain, fan, fetched, ping_pong, waiting_line, dequeues, all_to_all])
def test_compiling_ten_times_the_operations_runs_about_ten_times_the_lines(build: Callable[[int], list[Any]]) -> None:
    assert lines(build, LARGE, MANY) < 15 * lines(build, SMALL, MANY)
