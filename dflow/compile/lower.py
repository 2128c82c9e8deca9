"""Turn groups of operations into segments of kernel calls over slots, and number the edges between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dflow.compile.plan import DevicePlan, DeviceTable, Instruction, Plan, Segment, describe_segments
from dflow.compile.prune import Needed
from dflow.compile.segments import Group, is_literal
from dflow.errors import OpInfo
from dflow.graph import DeviceOf, Operation, Tensor


def lower(
    number: int, needed: Needed, groups: Sequence[Group], placed: Mapping[Operation, str], table: DeviceTable
) -> Plan:
    """The plan: segments, the edges between them, and each device's part of both."""
    edges = _number_edges(needed, groups)
    segments = tuple(_lower_group(i, group, edges, placed) for i, group in enumerate(groups))
    fetches = tuple(edges.values[f] if isinstance(f, Tensor) else None for f in needed.fetches)
    plan = Plan(
        number,
        segments,
        tuple(edges.values[tensor] for tensor in needed.feeds),
        fetches,
        {},
        {op.name: placed[op] for op in needed.ops},
        {},
    )
    parts = _parts(plan, table)
    return replace(plan, parts=parts, addresses={device: table[device].address for device in parts})


class _Edges:
    """The numbers of the edges of a plan."""

    def __init__(self, fed: set[Tensor]) -> None:
        self.fed = fed
        self.values: dict[Tensor, int] = {}  # tensors that cross segments, are fed or are fetched
        self.done: dict[Operation, int] = {}  # the first operation of a group that others wait for
        self.group: dict[Operation, Group] = {}
        self.count = 0

    def new(self) -> int:
        self.count += 1
        return self.count - 1


def _number_edges(needed: Needed, groups: Sequence[Group]) -> _Edges:
    edges = _Edges(set(needed.feeds))
    edges.group = {op: group for group in groups for op in group.ops}
    crossing = list(needed.feeds) + [f for f in needed.fetches if isinstance(f, Tensor)]
    for group in groups:
        for op in group.ops:
            crossing += [t for t in op.inputs if t in edges.fed or _crosses(t.op, group, edges)]
            for control in op.control_inputs:
                if _crosses(control, group, edges):
                    first = edges.group[control].ops[0]
                    if first not in edges.done:
                        edges.done[first] = edges.new()
    for tensor in crossing:
        if tensor not in edges.values:
            edges.values[tensor] = edges.new()
    return edges


def _crosses(op: Operation, group: Group, edges: _Edges) -> bool:
    return not is_literal(op) and edges.group[op] is not group


def _lower_group(index: int, group: Group, edges: _Edges, placed: Mapping[Operation, str]) -> Segment:
    slots: dict[Tensor, int] = {}
    arguments: dict[int, int] = {}  # slot -> edge
    literals: dict[int, Any] = {}
    controls: dict[int, None] = {}
    instructions = []
    for op in group.ops:
        for tensor in op.inputs:
            if tensor in slots:
                continue
            slots[tensor] = len(slots)
            if tensor in edges.fed or not is_literal(tensor.op):
                arguments[slots[tensor]] = edges.values[tensor]
            else:
                literals[slots[tensor]] = tensor.op.attrs["value"]
        for control in op.control_inputs:
            if _crosses(control, group, edges):
                controls[edges.done[edges.group[control].ops[0]]] = None
        for tensor in op.outputs:
            slots.setdefault(tensor, len(slots))
        info = OpInfo(op.name, op.type, placed[op], op.made_at)
        inputs, outputs = tuple(slots[t] for t in op.inputs), tuple(slots[t] for t in op.outputs)
        instructions.append(Instruction(info, _located(op.attrs, placed), inputs, outputs))
    results = [(edges.values[t], slots[t]) for op in group.ops for t in op.outputs if t in edges.values]
    return Segment(
        index,
        group.device,
        _label(group),
        group.blocks,
        tuple(dict.fromkeys([*arguments.values(), *controls])),
        tuple(arguments.items()),
        tuple(literals.items()),
        len(slots),
        tuple(instructions),
        tuple(results),
        edges.done.get(group.ops[0]),
    )


def _located(attrs: dict[str, Any], placed: Mapping[Operation, str]) -> dict[str, Any]:
    """The attributes with the device names that they ask for."""
    return {key: placed[value.op] if isinstance(value, DeviceOf) else value for key, value in attrs.items()}


def _label(group: Group) -> str:
    """The name of the last operation that does something, and how many more there are."""
    names = [op.name for op in group.ops if op.type != "NoOp"] or [op.name for op in group.ops]
    return names[-1] if len(group.ops) == 1 else f"{names[-1]} (+{len(group.ops) - 1})"


def _parts(plan: Plan, table: DeviceTable) -> dict[str, DevicePlan]:
    consumers: dict[int, set[str]] = {}
    for segment in plan.segments:
        for edge in segment.needs:
            consumers.setdefault(edge, set()).add(segment.device)
    fetched = {edge for edge in plan.fetches if edge is not None} - set(plan.feeds)
    parts = {}
    for device in dict.fromkeys(segment.device for segment in plan.segments):
        mine = tuple(segment for segment in plan.segments if segment.device == device)
        made = {edge for s in mine for edge, _ in s.results} | {s.done for s in mine if s.done is not None}
        routes = {e: tuple(sorted(consumers[e] - {device})) for e in sorted(made) if consumers.get(e, set()) - {device}}
        others = sorted({other for targets in routes.values() for other in targets} | _devices_named(mine, table))
        feeds = tuple(edge for edge in dict.fromkeys(plan.feeds) if device in consumers.get(edge, ()))
        addresses = {other: table[other].address for other in others}
        parts[device] = DevicePlan(plan.number, device, mine, feeds, routes, frozenset(fetched & made), addresses)
    return parts


def _devices_named(segments: Sequence[Segment], table: DeviceTable) -> set[str]:
    """The devices that attributes name: of a queue that a reader takes its files from."""
    names = set(table.names)
    return {
        value
        for segment in segments
        for instruction in segment.instructions
        for key, value in instruction.attrs.items()
        if key.endswith("_device") and value in names
    }


def check_plan(plan: Plan) -> None:
    """Every edge has one source; every segment's slots are filled before they are read; fetches are made or fed."""
    sources: dict[int, str] = dict.fromkeys(plan.feeds, "feeds")
    for segment in plan.segments:
        for edge in [result for result, _ in segment.results] + ([segment.done] if segment.done is not None else []):
            if edge in sources:
                raise AssertionError(f"lower: edge {edge} has two sources\n{describe_segments(plan.segments)}")
            sources[edge] = segment.label
    for segment in plan.segments:
        if any(edge not in sources for edge in segment.needs):
            raise AssertionError(f"lower: {segment.label} needs an edge of no one\n{describe_segments(plan.segments)}")
        filled = {slot for slot, _ in segment.arguments} | {slot for slot, _ in segment.literals}
        for instruction in segment.instructions:
            if not filled.issuperset(instruction.inputs):
                raise AssertionError(f"lower: {instruction.op} reads a slot before it is filled")
            filled.update(instruction.outputs)
    if any(edge is not None and edge not in sources for edge in plan.fetches):
        raise AssertionError("lower: a fetch is made by no one")
