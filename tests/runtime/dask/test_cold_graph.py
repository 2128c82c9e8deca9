"""The Dask graph of a cold run: a task a segment, each on its device, after those it needs."""

from __future__ import annotations

import dflow as df
from dflow.compile import Plan
from dflow.runtime.dask.cold import task_graph
from dflow.runtime.dask.worker import SHARE
from tests.compile.helpers import CPUS, compiled, cpu

STEP = ("session-1", 7)


def there_and_back() -> Plan:
    """On CPU 0, then on CPU 1, then on CPU 0 again."""
    x = df.identity(df.constant(1.0), name="first")
    with df.device("/cpu:1"):
        y = df.negative(x, name="second")
    with df.device("/cpu:0"):
        return compiled(df.negative(y, name="third"), table=CPUS)


def test_each_segment_is_a_task_with_its_device_and_what_it_needs() -> None:
    graph, keys = task_graph(there_and_back(), STEP)
    first, second, third = keys
    assert [key.rpartition("-")[0] for key in keys] == ["first", "second", "third"]
    assert {key: graph.layers[key].annotations for key in keys} == {
        first: {"resources": {cpu(0): SHARE}},
        second: {"resources": {cpu(1): SHARE}},
        third: {"resources": {cpu(0): SHARE}},
    }
    assert graph.dependencies == {first: set(), second: {first}, third: {second}}
    assert graph.layers[third][third].dependencies == {second}


def test_no_two_runs_share_a_key() -> None:
    plan = there_and_back()
    assert not set(task_graph(plan, STEP)[1]) & set(task_graph(plan, STEP)[1])
