"""Device tables and plans for the tests of the compiler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dflow.compile import DeviceInfo, DeviceTable, Plan, Segment, compile_plan
from dflow.compile.place import default_device
from dflow.devices import device_name


def cpu(index: int = 0, job: str = "localhost", task: int = 0) -> str:
    return device_name(job, task, "CPU", index)


def gpu(index: int = 0, job: str = "localhost", task: int = 0) -> str:
    return device_name(job, task, "GPU", index)


def table_of(*names: str, lost: Sequence[str] = ()) -> DeviceTable:
    """A table of devices, each at an address of its own."""
    return DeviceTable(tuple(DeviceInfo(name, f"at {name}", lost=name in lost) for name in names))


CPUS = table_of(cpu(0), cpu(1), cpu(2))


def compiled(fetches: Any, feeds: Sequence[Any] = (), table: DeviceTable = CPUS, **options: Any) -> Plan:
    """The plan of one fetch, or of a list of them."""
    items = fetches if isinstance(fetches, (list, tuple)) else [fetches]
    return compile_plan(items, feeds, table, default_device(table), **options)


def names(segment: Segment) -> list[str]:
    """The names of its operations."""
    return [instruction.op.name for instruction in segment.instructions]


def segment_with(plan: Plan, name: str) -> Segment:
    """The segment of an operation."""
    (found,) = [segment for segment in plan.segments if name in names(segment)]
    return found
