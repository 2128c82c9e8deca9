"""Turn groups of operations into segments of kernel calls over slots, and number the edges between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dflow.compile.conditions import NONE, Condition, Conditions, decider
from dflow.compile.frames import FoldedLoop
from dflow.compile.plan import DevicePlan, DeviceTable, Instruction, LoopCode, Plan, Segment, describe_segments
from dflow.compile.prune import Needed
from dflow.compile.segments import Group, grouped_ops
from dflow.errors import OpInfo
from dflow.graph import DeviceOf, Operation, Tensor
from dflow.registry import op_def

LARGE = 1 << 16  # bytes of a value that is freed after its last use; smaller values do not matter


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
    addresses = {device.name: device.address for device in table.devices}
    parts = parts_of(plan, addresses)
    return replace(plan, parts=parts, addresses={device: addresses[device] for device in parts})


class _Edges:
    """The numbers of the edges of a plan."""

    def __init__(self, needed: Needed, given: frozenset[Condition] = NONE) -> None:
        self.needed = needed
        self.fed = needed.fed
        self.conditions = Conditions(needed, given)
        self.guarding: set[Operation] = set()  # operations of branches that others wait for
        # computed, and used by an operation or fetched
        self.read = {tensor for op in needed.ops for tensor in op.operands}.union(needed.fetches) - self.fed
        self.values: dict[Tensor, int] = {}  # tensors that cross segments, are fed or are fetched
        self.done: dict[Operation, int] = {}  # the first operation of a group that others wait for
        self.alive: dict[Operation, int] = {}  # operations of branches that operations of other groups wait for
        self.group: dict[Operation, Group] = {}
        self.count = 0

    def new(self) -> int:
        self.count += 1
        return self.count - 1


def _number_edges(needed: Needed, groups: Sequence[Group], given: frozenset[Condition] = NONE) -> _Edges:
    edges = _Edges(needed, given)
    edges.group = {op: group for group in groups for op in group.ops}
    crossing = list(needed.feeds) + [f for f in needed.fetches if isinstance(f, Tensor)]
    for group in groups:
        for op in group.ops:
            crossing += [t for t in op.operands if t in edges.fed or _crosses(needed.maker(t), group, edges)]
            for control in needed.waited_for(op):
                crosses = _crosses(control, group, edges)
                if edges.conditions.of(control):
                    edges.guarding.add(control)
                    if crosses and control not in edges.alive:
                        edges.alive[control] = edges.new()
                elif crosses:
                    first = edges.group[control].ops[0]
                    if first not in edges.done:
                        edges.done[first] = edges.new()
    for tensor in crossing:
        if tensor not in edges.values:
            edges.values[tensor] = edges.new()
    return edges


def _crosses(op: Operation, group: Group, edges: _Edges) -> bool:
    return not edges.needed.is_literal(op) and edges.group[op] is not group


class _Draft:
    """A segment that is being built: the slot of each tensor, its arguments, literals and results.

    alias: whether an operation that only hands its input on has the slot of its input, and is left out.
    decided: a tensor that is true: a Switch that depends on it hands its input on, too.
    """

    def __init__(self, edges: _Edges, alias: bool = False, decided: Tensor | None = None) -> None:
        self._edges = edges
        self._alias = alias
        self._decided = decided
        self._slots: dict[Tensor, int] = {}
        self._alive: dict[Operation, int] = {}  # slots that say whether an operation of a branch ran
        self.count = 0
        self.arguments: dict[int, int] = {}  # slot -> edge
        self.literals: dict[int, Any] = {}
        self.results: list[tuple[int, int]] = []  # (edge, slot)

    def input(self, tensor: Tensor) -> int:
        """The slot that an operation reads."""
        if tensor not in self._slots:
            slot = self._slots[tensor] = self._new()
            if tensor in self._edges.fed or not self._edges.needed.is_literal(tensor.op):
                self.arguments[slot] = self._edges.values[tensor]
            else:
                self.literals[slot] = tensor.op.attrs["value"]
        return self._slots[tensor]

    def output(self, tensor: Tensor) -> int:
        """The slot that an operation fills.  The slot of a fed tensor is not read: all use the fed value."""
        slot = self._new()
        if tensor not in self._edges.fed:
            self._slots[tensor] = slot
            if tensor in self._edges.values:
                self.results.append((self._edges.values[tensor], slot))
        return slot

    def hands_on(self, op: Operation) -> bool:
        """Give the outputs of an operation the slot of its input, if that is all that it does."""
        if not (self._alias or _is_gated(op)) or op in self._edges.guarding or self._edges.needed.waited_for(op):
            return False
        if op.type == "Switch":
            if self._decided is None or decider(op.operands[1]) is not self._decided:
                return False
        elif op.type not in _HAND_ON or op.outputs[0] in self._edges.values:
            return False
        for tensor in op.outputs:
            self._slots[tensor] = self.input(op.operands[0])
        return True

    def guards(self, op: Operation) -> tuple[int, ...]:
        """The slots that say whether an operation runs: those of inputs and control inputs that may be dead."""
        conditions = self._edges.conditions
        if not conditions or op.type == "ControlTrigger":
            return ()
        tensors = [] if op.type == "Merge" else [t for t in op.operands if conditions.of_tensor(t)]
        controls = [it for it in self._edges.needed.waited_for(op) if conditions.of(it)]
        slots = [*map(self.input, tensors), *(self._alive_slot(control) for control in controls)]
        return tuple(dict.fromkeys(slots))

    def _alive_slot(self, op: Operation) -> int:
        if op not in self._alive:
            slot = self._alive[op] = self._new()
            self.arguments[slot] = self._edges.alive[op]
        return self._alive[op]

    def alive(self, op: Operation) -> int | None:
        """The slot that says whether an operation ran, if others ask."""
        if op not in self._edges.guarding:
            return None
        slot = self._alive[op] = self._new()
        if op in self._edges.alive:
            self.results.append((self._edges.alive[op], slot))
        return slot

    def _new(self) -> int:
        self.count += 1
        return self.count - 1


_HAND_ON = ("Identity", "LoopCond")


def _is_gated(op: Operation) -> bool:
    """Whether it hands on a gradient behind a gate, which no run waits for; see `prune.py`."""
    return op.type == "Identity" and any(it in it.graph.gradient_gates for it in op.control_inputs)


def _lower_group(
    index: int, group: Group, edges: _Edges, placed: Mapping[Operation, str], draft: _Draft | None = None
) -> Segment:
    draft = draft or _Draft(edges)
    controls: dict[int, None] = {}
    instructions: list[Instruction] = []
    ops: list[Operation] = []
    large: set[int] = set()
    for op in group.ops:
        if draft.hands_on(op):
            continue
        inputs = tuple(map(draft.input, op.operands))
        guards = draft.guards(op)
        outputs = tuple(map(draft.output, op.outputs))
        if op.type == "VariableV2" and op.outputs[0] not in edges.read:
            instruction = _nothing(op, placed)
        else:
            instruction = _instruction(op, placed, inputs, outputs)
        alive = draft.alive(op)
        instructions.append(replace(instruction, guards=guards, alive=alive) if guards or alive else instruction)
        ops.append(op)
        large.update(slot for slot, tensor in zip(outputs, op.outputs, strict=True) if _may_be_large(tensor))
        for control in edges.needed.waited_for(op):
            if _crosses(control, group, edges) and not edges.conditions.of(control):
                controls[edges.done[edges.group[control].ops[0]]] = None
    results = {slot for _, slot in draft.results}
    instructions = _with_inplace(ops, instructions, results)
    return Segment(
        index,
        group.device,
        _label(group),
        group.blocks,
        tuple(dict.fromkeys([*draft.arguments.values(), *controls])),
        tuple(draft.arguments.items()),
        tuple(draft.literals.items()),
        draft.count,
        with_frees(instructions, large - results),
        tuple(draft.results),
        edges.done.get(group.ops[0]) if group.ops else None,
    )


def _instruction(
    op: Operation, placed: Mapping[Operation, str], inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> Instruction:
    """One kernel call, its attributes with the device names that they ask for."""
    if isinstance(op, FoldedLoop):
        info = OpInfo(op.name, op.definition.kind, placed[op], op.made_at)
        attrs = {"code": _loop_code(op, placed)} if op.steps is None else {"loop": op.steps}
        return Instruction(info, attrs, inputs, outputs)
    attrs = {key: placed[value.op] if isinstance(value, DeviceOf) else value for key, value in op.attrs.items()}
    return Instruction(OpInfo(op.name, op.definition.kind, placed[op], op.made_at), attrs, inputs, outputs)


def _loop_code(loop: FoldedLoop, placed: Mapping[Operation, str]) -> LoopCode:
    """The program of a loop of one device."""
    needed, test = loop.pass_, loop.test
    here = grouped_ops(needed)
    ops = [op for op in needed.ops if op in here]
    given, first = NONE, list[Operation]()
    if test is not None:
        given = frozenset({(test, 1)})
        conditions = Conditions(needed)
        first = [op for op in ops if not given <= conditions.of(op) and op.type != "ControlTrigger"]
        ops = [*first, *(op for op in ops if op not in set(first))]
    group = Group(placed[loop], tuple(ops), blocks=False)  # type: ignore[index]
    edges = _number_edges(needed, [group], given)
    if test is not None and test not in edges.values:
        edges.values[test] = edges.new()  # so that its value is kept until the loop looks at it
    draft = _Draft(edges, alias=True, decided=test)
    slot_of = {tensor: draft.input(tensor) for tensor in needed.feeds}
    literal = [t for t in needed.fetches if isinstance(t, Tensor) and needed.is_literal(t.op)]
    slot_of |= {tensor: draft.input(tensor) for tensor in literal}
    segment = _lower_group(0, group, edges, placed, draft)

    def slot(tensor: Tensor) -> int:
        return slot_of[tensor] if tensor in slot_of else draft.input(tensor)

    names = {op.name for op in first}
    return LoopCode(
        segment,
        None if test is None else (slot(test), sum(it.op.name in names for it in segment.instructions)),
        tuple(
            (slot_of[value], firsts, None if following is None else slot(following))
            for value, firsts, following in loop.variables
        ),
        tuple((slot_of[tensor], place) for tensor, place in loop.constants),
        tuple(slot(tensor) for tensor in loop.results),
    )


def _nothing(op: Operation, placed: Mapping[Operation, str]) -> Instruction:
    """A NoOp in place of a variable that is waited for but not read.

    It needs no value: in TensorFlow, the operation of a variable only gives a reference.
    """
    return Instruction(OpInfo(op.name, "NoOp", placed[op], op.made_at), {}, (), ())


def with_frees(instructions: Sequence[Instruction], slots: set[int]) -> tuple[Instruction, ...]:
    """The instructions, each with those of the slots that no later one reads."""
    reversed_result, unfreed = [], set(slots)
    for instruction in reversed(instructions):
        used = (*instruction.inputs, *instruction.guards, *instruction.outputs)
        last = tuple(slot for slot in dict.fromkeys(used) if slot in unfreed)
        unfreed.difference_update(last)
        reversed_result.append(replace(instruction, frees=last))
    return tuple(reversed(reversed_result))


def _with_inplace(
    ops: Sequence[Operation], instructions: Sequence[Instruction], results: set[int]
) -> list[Instruction]:
    """The instructions, each with the input whose memory its output may reuse, if there is one.

    Such an input is an array that an operation of this segment made and owns, and that nothing else reads: neither a
    later view of it nor a variable.
    """
    reads = Counter(slot for instruction in instructions for slot in instruction.inputs)
    marked, owned = [], set[int]()
    for op, instruction in zip(ops, instructions, strict=True):
        inputs = instruction.inputs
        fits = [i for i in op.definition.inplace if inputs[i] in owned and _may_fit(op.operands[i], op.outputs[0])]
        marked.append(replace(instruction, inplace=fits[0]) if fits else instruction)
        if op.definition.owns_outputs:
            owned.update(slot for slot in instruction.outputs if reads[slot] == 1 and slot not in results)
    return marked


def _may_fit(value: Tensor, place: Tensor) -> bool:
    return value.shape.is_compatible_with(place.shape)


def _may_be_large(tensor: Tensor) -> bool:
    """Whether the value may be large enough to be freed early, and to have its memory used again."""
    size = tensor.shape.num_elements()
    return tensor.dtype.name != "string" and (size is None or size * tensor.dtype.size >= LARGE)


def _label(group: Group) -> str:
    """The name of the last operation that does something, and how many more there are."""
    names = [op.name for op in group.ops if op.type != "NoOp"] or [op.name for op in group.ops]
    if len(names) < 2 and len(group.ops) < 2:
        return "".join(names)  # "" of a loop without operations
    return f"{names[-1]} (+{len(group.ops) - 1})"


def parts_of(plan: Plan, addresses: Mapping[str, str]) -> dict[str, DevicePlan]:
    """Each device's part of the segments.  addresses: the address of each device's host."""
    consumers: dict[int, set[str]] = {}  # edge -> devices
    segments: dict[str, list[Segment]] = {}
    for segment in plan.segments:
        segments.setdefault(segment.device, []).append(segment)
        for edge in segment.needs:
            consumers.setdefault(edge, set()).add(segment.device)
    feeds: dict[str, list[int]] = {device: [] for device in segments}
    for edge in plan.feeds:
        for device in consumers.get(edge, ()):
            feeds[device].append(edge)
    fetched = {edge for edge in plan.fetches if edge is not None} - set(plan.feeds)
    parts, sinks = {}, set(plan.sinks)
    for device, mine in segments.items():
        made = sorted(edge for segment in mine for edge in segment.gives)
        routes = {e: tuple(sorted(consumers[e] - {device})) for e in made if consumers.get(e, set()) - {device}}
        receivers = {other for targets in routes.values() for other in targets} | _devices_named(mine, addresses)
        parts[device] = DevicePlan(
            plan.number,
            device,
            tuple(mine),
            tuple(feeds[device]),
            routes,
            frozenset(fetched.intersection(made)),
            {other: addresses[other] for other in sorted(receivers)},
            reports=any(segment.index in sinks for segment in mine),
        )
    return parts


def without(
    plan: Plan, segment: Segment, driver: str, number: int, feeds: tuple[int, ...], fetches: tuple[int | None, ...]
) -> Plan:
    """The plan, renumbered, without a segment of another process whose operation a loop on `driver` makes itself.

    feeds, fetches: the edges that the loop feeds to each step, and fetches from it.
    """
    segments = tuple(replace(s, index=i) for i, s in enumerate(s for s in plan.segments if s is not segment))
    rest = replace(plan, number=number, segments=segments, feeds=feeds, fetches=fetches)
    new_parts = parts_of(rest, plan.addresses)
    parts = {name: replace(part, threads=plan.parts[name].threads) for name, part in new_parts.items()}
    # with the process of this segment, and of one that was left out before, so that both are told of the session, and
    # the step ends if they are lost
    before = plan.parts[driver].addresses
    beside = {**before, **parts[driver].addresses, segment.device: plan.addresses[segment.device]}
    parts[driver] = replace(parts[driver], addresses=beside)
    return replace(rest, parts=parts, addresses={device: plan.addresses[device] for device in parts})


def _devices_named(segments: Sequence[Segment], addresses: Mapping[str, str]) -> set[str]:
    """The devices in attributes: those of queues that readers take their files from."""
    return {
        value
        for segment in segments
        for instruction in segment.instructions
        for key, value in instruction.attrs.items()
        if key.endswith("_device") and isinstance(value, str) and value in addresses
    }


def check_plan(plan: Plan) -> None:
    """Every edge has one source, which comes before its users; every slot is filled once, then read, then freed."""
    sources = set(plan.feeds)
    for segment in plan.segments:
        if not sources.issuperset(segment.needs):
            raise AssertionError(
                f"lower: {segment.label} needs an edge without a source\n{describe_segments(plan.segments)}"
            )
        for edge in segment.gives:
            if edge in sources:
                raise AssertionError(f"lower: edge {edge} has two sources\n{describe_segments(plan.segments)}")
            sources.add(edge)
        _check_slots(segment)
    if not sources.issuperset(edge for edge in plan.fetches if edge is not None):
        raise AssertionError("lower: a fetch has no source")
    _check_parts(plan)


def _check_slots(segment: Segment) -> None:
    filled = {slot for slot, _ in segment.arguments} | {slot for slot, _ in segment.literals}
    for instruction in segment.instructions:
        if not filled.issuperset((*instruction.inputs, *instruction.guards)):
            raise AssertionError(f"lower: {instruction.op} reads a slot before it is filled")
        if not filled.isdisjoint(instruction.outputs):
            raise AssertionError(f"lower: {instruction.op} fills a slot a second time")
        filled.update(instruction.outputs, () if instruction.alive is None else (instruction.alive,))
        filled.difference_update(instruction.frees)
    if not filled.issuperset(slot for _, slot in segment.results):
        raise AssertionError(f"lower: {segment.label} gives a slot that is never filled")
    _check_inplace(segment)


def _check_inplace(segment: Segment) -> None:
    """An input whose memory is reused has no other reader."""
    reads = Counter(slot for instruction in segment.instructions for slot in instruction.inputs)
    reads.update(slot for _, slot in segment.results)
    owned = {slot for i in segment.instructions if op_def(i.op.kind).owns_outputs for slot in i.outputs}
    for instruction in segment.instructions:
        if instruction.inplace is not None:
            slot = instruction.inputs[instruction.inplace]
            if slot not in owned or reads[slot] > 1:
                raise AssertionError(f"lower: {instruction.op} writes over a value that others may hold")


def _check_parts(plan: Plan) -> None:
    """Each segment is in its device's part, where every edge that it needs arrives; every fetch goes to the caller."""
    if sorted(s.index for part in plan.parts.values() for s in part.segments) != list(range(len(plan.segments))):
        raise AssertionError("lower: a segment is in no part or in two")
    arriving = {device: set(part.feeds) for device, part in plan.parts.items()}
    fetched = set(plan.feeds)
    for part in plan.parts.values():
        arriving[part.device].update(edge for segment in part.segments for edge in segment.gives)
        fetched |= part.fetched
        for edge, devices in part.routes.items():
            for device in devices:
                arriving[device].add(edge)
    for part in plan.parts.values():
        missing = {edge for segment in part.segments for edge in segment.needs} - arriving[part.device]
        if missing:
            raise AssertionError(f"lower: the edges {sorted(missing)} do not reach {part.device}")
    if not fetched.issuperset(edge for edge in plan.fetches if edge is not None):
        raise AssertionError("lower: a fetch does not go to the caller")
