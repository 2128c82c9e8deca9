"""Traced runs: the times of their operations, and the Chrome trace that is made of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.runtime.device import trace as device_trace

FULL = df.RunOptions(trace_level=df.RunOptions.FULL_TRACE)
HERE = "/job:localhost/replica:0/task:0/device:"


def traced(session: df.Session, fetches: Any, feed: Any = None) -> df.RunMetadata:
    metadata = df.RunMetadata()
    session.run(fetches, feed, options=FULL, run_metadata=metadata)
    return metadata


def names(metadata: df.RunMetadata, device: str = f"{HERE}CPU:0") -> list[str]:
    return [it.node_name for dev in metadata.step_stats.dev_stats if dev.device == device for it in dev.node_stats]


def test_a_traced_run_tells_the_times_of_its_operations() -> None:
    x = df.placeholder(df.float32, [None, 300], name="x")
    y = df.reduce_sum(df.matmul(x, df.ones([300, 300], name="w"), name="product"), name="total")
    with df.Session() as session:
        metadata = traced(session, y, {x: np.ones((200, 300))})
        ran = {it.node_name: it for it in metadata.step_stats.dev_stats[0].node_stats}
        assert set(ran) >= {"product", "total"}
        product, total = ran["product"], ran["total"]
        assert product.timeline_label == "product = MatMul(x, w)"
        assert product.op_end_rel_nanos > 0
        assert product.all_start_nanos + product.all_end_rel_nanos <= total.all_start_nanos + total.all_end_rel_nanos
        assert product.memory[0].total_bytes == 200 * 300 * 4
        assert metadata.placement["product"].endswith("CPU:0")
        again = traced(session, y, {x: np.ones((1, 300))})
        assert names(again) == names(metadata)  # those of this run, not of the one before


def test_only_a_run_with_a_trace_level_is_timed() -> None:
    metadata = df.RunMetadata()
    with df.Session() as session:
        x = df.constant(1) + 1
        session.run(x, options=FULL, run_metadata=metadata)
        assert names(metadata)
        session.run(x, options=df.RunOptions(trace_level=df.RunOptions.NO_TRACE), run_metadata=metadata)
        assert not names(metadata)
        session.run(x, run_metadata=metadata)
        assert not names(metadata)
        assert session.run(x, options=FULL) == 2


def test_an_operation_that_waits_takes_until_its_answer() -> None:
    queue = df.FIFOQueue(1, df.float32, shapes=[[]], name="queue")
    taken = df.multiply(queue.dequeue(name="take"), 2.0, name="twice")
    with df.Session() as session:
        session.run(queue.enqueue(3.0))
        ran = {it.node_name: it for it in traced(session, taken).step_stats.dev_stats[0].node_stats}
    assert ran["take"].all_start_nanos <= ran["twice"].all_start_nanos
    assert ran["take"].timeline_label.startswith("take = QueueDequeueV2(queue")
    with df.Session() as session, pytest.raises(df.errors.DeadlineExceededError):
        session.run(taken, options=df.RunOptions(trace_level=3, timeout_in_ms=20), run_metadata=df.RunMetadata())


def test_each_iteration_of_a_loop_is_in_the_trace_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    end = df.while_loop(lambda i: i < 5, lambda i: df.add(i, 1, name="step"), [df.constant(0)])
    with df.Session() as session:
        assert names(traced(session, end)).count("while/step") == 5
        monkeypatch.setattr(device_trace, "KEPT", 3)
        assert len(names(traced(session, end))) == 3


def test_a_failed_run_leaves_nothing_for_the_next_trace() -> None:
    x = df.placeholder(df.int32, [], name="x")
    y = df.gather([1, 2], df.identity(x, name="before"), name="gathered")
    with df.Session() as session:
        with pytest.raises(df.errors.InvalidArgumentError):
            traced(session, y, {x: 5})
        assert names(traced(session, y, {x: 1})).count("before") == 1


def test_a_timeline_is_a_chrome_trace_with_its_flows_and_memory() -> None:
    with df.device("/gpu:0"):
        a = df.ones([1000], name="a")
    with df.device("/cpu:0"):
        b = df.add(df.identity(a, name="copy"), 1.0, name="b")
    with df.Session(config=df.ConfigProto(device_count={"GPU": 1})) as session:
        metadata = traced(session, df.reduce_sum(b, name="sum"))
    timeline = df.client.timeline.Timeline(metadata.step_stats)
    events = json.loads(timeline.generate_chrome_trace_format(show_memory=True))["traceEvents"]
    phases = [event["ph"] for event in events]
    assert set(phases) == {"M", "X", "s", "t", "C"}
    assert phases.count("s") == phases.count("t") > 0
    processes = {event["pid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert list(processes.values()) == [f"{HERE}{device} Compute" for device in ("CPU:0", "GPU:0")]
    calls = {event["args"]["name"]: event for event in events if event["ph"] == "X"}
    assert processes[calls["b"]["pid"]].startswith(f"{HERE}CPU:0")
    assert (calls["b"]["name"], calls["b"]["args"]["input0"]) == ("Add", "copy")
    assert all(event["ts"] >= 0 and event["dur"] > 0 for event in calls.values())
    analysis = timeline.analyze_step_stats()
    assert analysis.allocator_maximums["cpu"].num_bytes == 8000
    assert analysis.allocator_maximums["cpu"].tensors == ["copy", "b"]
    without = df.client.timeline.Timeline(metadata.step_stats).generate_chrome_trace_format(show_dataflow=False)
    assert {event["ph"] for event in json.loads(without)["traceEvents"]} == {"M", "X"}


def test_operations_that_overlap_lie_in_different_rows() -> None:
    stats = df.RunMetadata().step_stats
    device = stats.dev_stats.add(device="/cpu:0")
    for name, start, took in (("a", 10, 10), ("b", 15, 10), ("c", 20, 2)):
        device.node_stats.add(node_name=name, all_start_micros=start, all_end_rel_micros=took)
    events = df.client.timeline.Timeline(stats).analyze_step_stats().chrome_trace.events
    assert [(it["name"], it["tid"], it["ts"]) for it in events if it["ph"] == "X"] == [
        ("a", 0, 0),
        ("b", 1, 5),
        ("c", 0, 10),
    ]


def test_a_timeline_needs_step_stats() -> None:
    with pytest.raises(TypeError, match="step_stats must be"):
        df.client.timeline.Timeline(df.RunOptions())
    with pytest.raises(ValueError, match="op_time"):
        df.client.timeline.Timeline(df.RunMetadata().step_stats).analyze_step_stats(op_time="none")


def test_the_devices_of_this_process_are_listed() -> None:
    found = df.client.device_lib.list_local_devices(df.ConfigProto(device_count={"GPU": 2}))
    assert [(it.name, it.device_type) for it in found] == [
        ("/device:CPU:0", "CPU"),
        ("/device:GPU:0", "GPU"),
        ("/device:GPU:1", "GPU"),
    ]
