"""The times of a traced run as a Chrome trace.  Source: tensorflow.python.client.timeline of TensorFlow 1.15.

    metadata = df.RunMetadata()
    sess.run(train, options=df.RunOptions(trace_level=df.RunOptions.FULL_TRACE), run_metadata=metadata)
    trace = df.client.timeline.Timeline(metadata.step_stats).generate_chrome_trace_format()
    Path("trace.json").write_text(trace)  # open it in chrome://tracing or https://ui.perfetto.dev

Each device is a process of the trace, and its operations lie in as many rows as run at once.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["AllocationMaximum", "ChromeTrace", "StepStatsAnalysis", "Timeline"]

_LABEL = re.compile(r"(?P<name>.*) = (?P<kind>[^(]*)\((?P<inputs>.*)\)", re.DOTALL)


class AllocationMaximum(NamedTuple):
    """The moment at which the outputs of operations took most memory.

    timestamp: in microseconds, as in the trace.  num_bytes: the size of all outputs that were needed then.
    tensors: the operations that made them.
    """

    timestamp: int
    num_bytes: int
    tensors: list[str]


class StepStatsAnalysis(NamedTuple):
    """A trace, and the maximum of each allocator (`cpu`, `gpu`)."""

    chrome_trace: ChromeTrace
    allocator_maximums: dict[str, AllocationMaximum]


class ChromeTrace:
    """Events in the format of Chrome's trace viewer."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, phase: str, name: str, process: int, **fields: Any) -> None:
        """Add an event.  phase: `M` metadata, `X` with a duration, `s` and `t` the ends of a flow, `C` a counter."""
        self.events.append({"ph": phase, "name": name, "pid": process, **fields})

    def format_to_string(self, pretty: bool = False) -> str:
        """The trace as JSON.  pretty: over several lines."""
        return json.dumps({"traceEvents": self.events}, indent=4 if pretty else None, separators=(",", ": "))


@dataclass(frozen=True, slots=True)
class _Call:
    """An operation of the trace.  Times in microseconds."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    process: int
    row: int
    start: int
    end: int
    bytes: int
    allocator: str


class Timeline:
    """The times of a run, to be looked at.

    step_stats: of the `RunMetadata` of a run with a `trace_level`; TypeError for anything else.
    graph: has no effect; the inputs of operations are in `step_stats`.
    """

    def __init__(self, step_stats: Any, graph: Any = None) -> None:
        if not hasattr(step_stats, "dev_stats"):
            raise TypeError(f"step_stats must be the StepStats of a RunMetadata, but got {step_stats!r}")
        self._devices = list(step_stats.dev_stats)
        self._calls = [call for number, device in enumerate(self._devices) for call in _calls(number, device)]
        self._origin = min((call.start for call in self._calls), default=0)

    def generate_chrome_trace_format(
        self, show_dataflow: bool = True, show_memory: bool = False, op_time: str = "schedule"
    ) -> str:
        """The trace as JSON.

        show_dataflow: arrows from an operation to those that use its output.
        show_memory: a counter of the bytes of the outputs that later operations of the run need.
        op_time: `schedule`, `gpu` or `all`: dflow measures one time, the kernel call, for all of them.
        """
        return self.analyze_step_stats(show_dataflow, show_memory, op_time).chrome_trace.format_to_string(pretty=True)

    def analyze_step_stats(
        self, show_dataflow: bool = True, show_memory: bool = True, op_time: str = "schedule"
    ) -> StepStatsAnalysis:
        """The trace, and the most memory that the outputs of operations took.  Arguments as above."""
        if op_time not in ("schedule", "gpu", "all"):
            raise ValueError(f"op_time must be 'schedule', 'gpu' or 'all', got {op_time!r}")
        trace = ChromeTrace()
        for number, device in enumerate(self._devices):
            trace.add("M", "process_name", number, args={"name": f"{device.device} Compute"})
        for call in self._calls:
            self._add(trace, call)
        if show_dataflow:
            self._add_flows(trace)
        maximums: dict[str, AllocationMaximum] = {}
        if show_memory:
            for number in range(len(self._devices)):
                self._add_memory(trace, number, maximums)
        return StepStatsAnalysis(trace, maximums)

    def _add(self, trace: ChromeTrace, call: _Call) -> None:
        inputs = {f"input{i}": name for i, name in enumerate(call.inputs)}
        times = {"ts": call.start - self._origin, "dur": call.end - call.start}
        args = {"name": call.name, "op": call.kind, **inputs}
        trace.add("X", call.kind, call.process, cat="Op", tid=call.row, **times, args=args)

    def _add_flows(self, trace: ChromeTrace) -> None:
        made: dict[str, _Call] = {}
        number = 0
        for call in sorted(self._calls, key=lambda it: it.start):
            for name in call.inputs:
                producer = made.get(_operation(name))
                if producer is not None:
                    for phase, end, at in (("s", producer, producer.end), ("t", call, call.start)):
                        flow = {"cat": "DataFlow", "id": number, "tid": end.row, "ts": at - self._origin}
                        trace.add(phase, producer.name, end.process, **flow)
                    number += 1
            made[call.name] = call

    def _add_memory(self, trace: ChromeTrace, number: int, maximums: dict[str, AllocationMaximum]) -> None:
        """The counter of a device: an output counts from its making to the end of the last one that uses it."""
        until: dict[str, int] = {}
        for call in self._calls:
            for name in call.inputs:
                until[_operation(name)] = max(call.end, until.get(_operation(name), 0))
        changes: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        for call in self._calls:
            if call.process == number and call.bytes:
                changes[call.allocator, call.end].append((call.bytes, call.name))
                changes[call.allocator, max(call.end, until.get(call.name, 0)) + 1].append((-call.bytes, call.name))
        totals: dict[str, int] = defaultdict(int)
        alive: dict[str, dict[str, None]] = defaultdict(dict)
        for allocator, at in sorted(changes, key=lambda key: key[1]):
            for size, name in changes[allocator, at]:
                totals[allocator] += size
                if size > 0:
                    alive[allocator][name] = None
                else:
                    alive[allocator].pop(name, None)
            at -= self._origin
            trace.add("C", allocator, number, cat="Memory", ts=at, args={allocator: totals[allocator]})
            most = maximums.get(allocator)
            if most is None or totals[allocator] > most.num_bytes:
                maximums[allocator] = AllocationMaximum(at, totals[allocator], list(alive[allocator]))


def _calls(number: int, device: Any) -> Iterator[_Call]:
    """The operations of a device, in rows: those of one row do not overlap."""
    rows: list[int] = []  # the end of the last operation of each
    for stats in sorted(device.node_stats, key=lambda it: it.all_start_micros):
        start = stats.all_start_micros
        end = start + max(1, stats.all_end_rel_micros)
        row = next((i for i, free in enumerate(rows) if free <= start), len(rows))
        rows[row : row + 1] = [end]
        kind, inputs = _parsed(stats)
        size = sum(memory.total_bytes for memory in stats.memory)
        allocator = stats.memory[0].allocator_name if stats.memory else ""
        yield _Call(stats.node_name, kind, tuple(inputs), number, row, start, end, size, allocator)


def _parsed(stats: Any) -> tuple[str, Sequence[str]]:
    """The kind and the inputs of an operation, from its label."""
    found = _LABEL.fullmatch(stats.timeline_label)
    if found is None:
        return stats.node_name, ()
    return found["kind"], [name for name in found["inputs"].split(", ") if name]


def _operation(name: str) -> str:
    """The operation of an input such as `x`, `x:1` or `^x`."""
    return name.removeprefix("^").partition(":")[0]
