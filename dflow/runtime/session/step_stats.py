"""The times of a traced run as TensorFlow's `StepStats`, which `client.timeline` makes a Chrome trace of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dflow.graph import Graph
from dflow.runtime.device.trace import KernelCall

Labels = dict[str, str]  # operation -> its kind and inputs


def fill(step_stats: Any, calls: Mapping[str, Sequence[KernelCall]], graph: Graph) -> None:
    """Replace the contents of a `StepStats` by the kernel calls of a run, device -> its calls."""
    step_stats.Clear()
    labels: Labels = {}
    for device in sorted(calls):
        stats = step_stats.dev_stats.add(device=device)
        allocator = "gpu" if "GPU" in device else "cpu"
        for call in sorted(calls[device], key=lambda it: it.started_ns):
            _add(stats.node_stats, call, allocator, labels, graph)


def _add(node_stats: Any, call: KernelCall, allocator: str, labels: Labels, graph: Graph) -> None:
    if call.op not in labels:
        labels[call.op] = _label(call, graph)
    micros = max(1, round(call.took_ns / 1000))
    stats = node_stats.add(
        node_name=call.op,
        timeline_label=labels[call.op],
        all_start_micros=call.started_ns // 1000,
        op_start_rel_micros=0,
        op_end_rel_micros=micros,
        all_end_rel_micros=micros,
        all_start_nanos=call.started_ns,
        op_end_rel_nanos=call.took_ns,
        all_end_rel_nanos=call.took_ns,
        scheduled_micros=call.started_ns // 1000,
        scheduled_nanos=call.started_ns,
        thread_id=call.thread % 2**32,
    )
    if call.bytes:
        stats.memory.add(allocator_name=allocator, total_bytes=call.bytes, peak_bytes=call.bytes)


def _label(call: KernelCall, graph: Graph) -> str:
    """`name = Kind(input, input)`, the form that the timeline reads."""
    try:
        op = graph.get_operation_by_name(call.op)
    except (KeyError, ValueError):  # a loop that is run as one operation
        return f"{call.op} = {call.kind}()"
    inputs = [it.name.removesuffix(":0") for it in op.inputs] + [f"^{it.name}" for it in op.control_inputs]
    return f"{call.op} = {call.kind}({', '.join(inputs)})"
