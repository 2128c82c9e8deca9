"""The contents of a drawing: boxes, arrows and frames, without a place yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dflow.compile import DeviceTable, Plan
from dflow.compile.prune import Needed, is_literal
from dflow.graph import Operation, Tensor

FAMILIES = {  # family -> its name in the legend
    "compute": "computation",
    "variable": "variables",
    "queue": "queues",
    "reader": "readers",
    "random": "random",
    "order": "order",
    "input": "placeholders and feeds",
    "constant": "constants",
    "own": "your own",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A box.  `small` ones, constants and feeds, show their label alone; `marked` ones are fetched."""

    key: Any
    label: str
    detail: str  # a second line
    title: str  # its tool tip
    family: str
    small: bool = False
    marked: bool = False
    ops: tuple[Operation, ...] = ()  # the operations that it stands for


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one box to another; `titles` are the tensors that it stands for."""

    source: Any
    target: Any
    control: bool
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Boxes that stay together: a segment, which has a frame; or, in a summary, those of one device."""

    device: str
    nodes: tuple[Any, ...]  # their keys, in the order of creation
    title: str = ""  # of the frame; "": no frame
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing's contents.  The blocks are in an order they can run in."""

    devices: dict[str, str]  # full name -> a note, such as "virtual"
    blocks: tuple[Block, ...]
    nodes: dict[Any, Node]
    edges: tuple[Edge, ...]
    about: str


@dataclass
class Draft:
    """Collects boxes and arrows."""

    blocks: dict[int, list[Any]] = field(default_factory=dict)  # segment -> boxes
    nodes: dict[Any, Node] = field(default_factory=dict)
    edges: dict[tuple[Any, Any, bool], list[str]] = field(default_factory=dict)

    def add(self, block: int, node: Node) -> Any:
        """Add a box, if it is not there yet; returns its key."""
        if node.key not in self.nodes:
            self.nodes[node.key] = node
            self.blocks.setdefault(block, []).append(node.key)
        return node.key

    def connect(self, source: Any, target: Any, control: bool, title: str) -> None:
        self.edges.setdefault((source, target, control), []).append(title)


def picture(needed: Needed, plan: Plan, table: DeviceTable, mark: bool = True) -> Picture:
    """Every operation of a plan.  A constant or a fed tensor is drawn beside each segment that uses it.

    mark: mark the fetches.
    """
    draft = Draft()
    segment_of = {i.op.name: segment.index for segment in plan.segments for i in segment.instructions}
    fed = set(needed.feeds)
    fetched = {item if isinstance(item, Operation) else item.op for item in needed.fetches} if mark else set()
    for op in needed.ops:
        if op.name not in segment_of:
            continue
        block = segment_of[op.name]
        for tensor in op.operands:
            if tensor in fed:
                source = draft.add(block, fed_node(tensor, block))
            elif tensor.op.name not in segment_of:
                source = draft.add(block, literal_node(tensor.op, block))
            else:
                source = tensor.op
            draft.connect(source, op, False, f"{tensor.name}  {tensor.dtype.name} {tensor.shape}")
        draft.add(block, op_node(op, op in fetched, plan.placement[op.name]))
        for control in op.control_inputs:
            if not is_literal(control):
                draft.connect(control, op, True, f"{op.name} runs after {control.name}")
    blocks = tuple(
        Block(s.device, tuple(draft.blocks[s.index]), f"segment {s.index}: {s.label}", s.blocks) for s in plan.segments
    )
    about = f"{_count(len(segment_of), 'operation')} in {_count(len(plan.segments), 'segment')}"
    about += f" on {_count(len(plan.parts), 'device')}"
    edges = tuple(Edge(*key, tuple(titles)) for key, titles in draft.edges.items())
    return Picture(dict(_devices(plan, table)), blocks, draft.nodes, edges, about)


def _devices(plan: Plan, table: DeviceTable) -> Iterator[tuple[str, str]]:
    for device in table.devices:
        if device.name in plan.parts:
            yield device.name, ", ".join(["virtual"] * device.virtual + ["lost"] * device.lost)


def op_node(op: Operation, marked: bool, device: str) -> Node:
    shapes = ", ".join(f"{t.dtype.name} {t.shape}" for t in op.outputs)
    title = f"{op.name}\n{op.type}{' (may wait)' if op.definition.blocks else ''}\non {device}"
    title += f"\ngives {shapes}" if shapes else ""
    title += "\nfetched" if marked else ""
    title += f"\nmade at {op.made_at}" if op.made_at else ""
    shape = f" {op.outputs[0].shape}" if op.outputs and op.outputs[0].shape.ndims is not None else ""
    return Node(op, op.name, f"{op.type}{shape}", title, family(op), marked=marked, ops=(op,))


def literal_node(op: Operation, block: int) -> Node:
    value = op.attrs["value"]
    shown = str(value.reshape(-1)[0]) if value.size == 1 else f"{op.outputs[0].dtype.name} {value.shape}"
    title = f"{op.name}\nConst {op.outputs[0].dtype.name} {value.shape}, part of its user's segment\n{shown}"
    return Node((op, block), shown if len(shown) <= 18 else f"{shown[:17]}…", "", title, "constant", True, ops=(op,))


def fed_node(tensor: Tensor, block: int) -> Node:
    title = f"{tensor.name}\nfed: {tensor.dtype.name} {tensor.shape}"
    return Node((tensor, block), tensor.op.name, "", title, "input", True, ops=(tensor.op,))


def family(op: Operation) -> str:
    """The family of an operation, for its colour."""
    if op.type == "Const":
        return "constant"
    if op.type.startswith("Placeholder"):
        return "input"
    for attr, name in (("reader", "reader"), ("queue", "queue"), ("variable", "variable")):
        if attr in op.attrs:
            return name
    package, _, rest = op.definition.module.partition(".")
    if package != "dflow":
        return "own"
    module = rest.rpartition(".")[2]
    return {"control": "order", "random": "random"}.get(module, "compute")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
