"""Branches and loops on a cluster: what is not taken runs nowhere, and a loop may go over devices and wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PS, W0, W1, quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster(workers=2) as cluster:
        yield cluster


def variable_and_queue(session: df.Session, name: str) -> tuple[Any, Any]:
    with df.device(PS):
        variable = df.Variable(2.0, name=f"w-{name}")
        queue = df.FIFOQueue(100, [df.float32], shapes=[[]], shared_name=name)
    session.run(variable.initializer)
    return variable, queue


def test_a_branch_runs_on_the_devices_of_its_operations_only_if_it_is_taken(session: df.Session) -> None:
    w, queue = variable_and_queue(session, "branch")
    p, x = df.placeholder(df.bool, []), df.placeholder(df.float32, [])

    def taken() -> Any:
        with df.device(W1):
            return queue.dequeue() + w

    with df.device(W0):
        y = df.cond(p, taken, lambda: x * 100.0)
    gradients = df.gradients(y, [x, w])
    for _ in range(2):  # a first run and a later one
        session.run(queue.enqueue([5.0]))
        assert session.run([y, *gradients], {p: False, x: 1.0}) == [100.0, 100.0, 0.0]
        assert session.run(queue.size()) == 1
        assert session.run(y, {p: True, x: 1.0}) == 7.0
        assert session.run(queue.size()) == 0


def test_a_loop_of_one_worker_and_its_gradient(session: df.Session) -> None:
    w, _ = variable_and_queue(session, "loop")
    x = df.constant(3.0)
    with df.device(W0):
        y = df.while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a * w), (0, x))[1]
        rows = df.scan(lambda a, b: a + b * w, df.constant([1.0, 2.0, 3.0]))
        gradients = df.gradients(y, [x, w])
    for _ in range(2):
        found = session.run([y, *gradients, rows])
        assert found[:3] == [96.0, 32.0, 240.0]
        assert found[3].tolist() == [1.0, 5.0, 11.0]


def test_a_loop_goes_over_devices_and_takes_elements_of_a_queue(session: df.Session) -> None:
    w, queue = variable_and_queue(session, "steps")
    n = df.placeholder(df.int32, [])

    def body(i: Any, a: Any) -> Any:
        with df.device(W0):
            a = a + queue.dequeue()
        with df.device(W1):
            return i + 1, a * w

    y = df.while_loop(lambda i, a: i < n, body, (0, df.constant(1.0)))[1]
    session.run(queue.enqueue_many([np.arange(10, dtype=np.float32)]))
    assert session.run(y, {n: 3}) == 16.0
    assert session.run(y, {n: 2}) == 24.0
    assert session.run(queue.size()) == 5
    with pytest.raises(df.errors.DeadlineExceededError):
        session.run(y, {n: 100}, options=df.RunOptions(timeout_in_ms=500))
    session.run(queue.enqueue([1.0]))
    assert session.run(y, {n: 1}) == 4.0


def test_an_error_in_an_iteration_names_its_operation(session: df.Session) -> None:
    w, _ = variable_and_queue(session, "error")

    def body(i: Any, a: Any) -> Any:
        with df.device(W1), df.control_dependencies([df.Assert(a < 5.0, ["too large"])]):
            return i + 1, a * w

    with df.device(W0):
        y = df.while_loop(lambda i, a: i < 10, body, (0, df.constant(1.0)))[1]
    with pytest.raises(df.errors.InvalidArgumentError, match="too large"):
        session.run(y)


def test_a_trace_has_the_operations_of_every_worker_and_of_loops_over_them(session: df.Session) -> None:
    w, queue = variable_and_queue(session, "trace")

    def body(i: Any) -> Any:
        with df.device(W1):
            return df.add(i, w, name="grow")

    with df.device(W0):
        grown = df.while_loop(lambda i: i < 5.0, body, [df.constant(0.0)])
    session.run(queue.enqueue(1.0))
    options, metadata = df.RunOptions(trace_level=df.RunOptions.FULL_TRACE), df.RunMetadata()
    for _ in range(2):  # a cold run and a hot one
        session.run([grown, queue.size()], options=options, run_metadata=metadata)
        ran = {it.device: [node.node_name for node in it.node_stats] for it in metadata.step_stats.dev_stats}
        assert sum(name.endswith("grow") for name in ran[max(ran)]) == 3
        assert any("QueueSize" in node.timeline_label for it in metadata.step_stats.dev_stats for node in it.node_stats)
