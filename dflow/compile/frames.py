"""Loops of the graph: all operations of a `while_loop` become one operation of the plan, `While`.

A frame is the set of operations of one loop: those between its `Enter` and its `Exit` operations.  A frame inside of a
frame is folded first, so that a loop in a loop is one operation of the outer one.

    Enter -> Merge -> Switch -> ... -> NextIteration     one FoldedLoop: its operands are those of the Enter operations,
               ^         |                  |            its outputs are those of the Exit operations
               +---------|------------------+
                         +-> Exit

An iteration is one pass over the operations of the frame, in an order they can run in: the Merge operations are fed
with the first values, then with those of the NextIteration operations.  When a pass gives no value for another
iteration, the loop has ended, and the Exit operations have their values.

Why a pass and no pattern: a program may also build its loops of single operations, in any form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dflow.compile.conditions import Conditions, decider, literals
from dflow.compile.prune import Needed, waited_for
from dflow.errors import InvalidArgumentError, OpInfo
from dflow.graph import Operation, Tensor
from dflow.registry import OpDef, op_def

Frame = tuple[str, ...]  # the names of the loops that an operation is in, the outermost first


@dataclass(eq=False)
class FoldedLoop:
    """A loop, as the passes after this one see an operation.

    operands: the values that enter; outputs: those that leave.  pass_: the operations of one iteration.
    variables: for each Merge, the places of its first values among the operands, and the tensor of its next value.
    constants: the tensors that each iteration has, with their places among the operands.
    results: the tensor inside that each output has its value from.
    """

    name: str
    made_at: str
    operands: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    waits_for: tuple[Operation, ...]
    pass_: Needed
    variables: tuple[tuple[Tensor, tuple[int, ...], Tensor | None], ...]
    constants: tuple[tuple[Tensor, int], ...]
    results: tuple[Tensor, ...]
    index: int
    definition: OpDef = field(default_factory=lambda: op_def("While"))
    type: str = "While"
    attrs: dict[str, object] = field(default_factory=dict)
    steps: Any = None  # its LoopSteps, if its iterations are steps of their own

    @property
    def control_inputs(self) -> list[Operation]:
        return list(self.waits_for)

    def colocation_root(self) -> FoldedLoop:
        return self

    @cached_property
    def test(self) -> Tensor | None:
        """The condition of the loop, if it has the form that `while_loop` gives it.

        One LoopCond decides for all variables, and the values that leave the loop are those of its variables.
        """
        tests = [op for op in self.pass_.ops if op.type == "LoopCond"]
        if len(tests) != 1:
            return None
        condition, values = decider(tests[0].outputs[0]), {value for value, _, _ in self.variables}
        at_end = set(self.results)
        for op in self.pass_.ops:
            if op.type == "Switch" and decider(op.operands[1]) is condition:
                used_at_end = any(op.outputs[0] in other.operands for other in self.pass_.ops)
                if op.operands[0] not in values or used_at_end:
                    return None
                at_end.discard(op.outputs[0])
        nexts = [following for _, _, following in self.variables if following is not None]
        ends_otherwise = any(t.op.type == "Switch" and t.value_index == 0 for t in nexts)
        return None if at_end or ends_otherwise else condition

    def operations(self) -> Iterable[Operation]:
        """Its operations, with those of loops inside."""
        for op in self.pass_.ops:
            if isinstance(op, FoldedLoop):
                yield from op.operations()
            else:
                yield op


def fold_loops(needed: Needed) -> Needed:
    """The operations, with a `FoldedLoop` in the place of the operations of each loop."""
    if not any(op.type == "Enter" for op in needed.ops):
        return _with_literals(needed)
    frames = _frames(needed)
    _check_fetches(needed, frames)
    return _with_literals(_fold(needed, frames, ()))


def _with_literals(needed: Needed) -> Needed:
    conditions = Conditions(needed)
    return replace(needed, literals=literals(needed, conditions)) if conditions else needed


def _fold(needed: Needed, frames: dict[Operation, Frame], here: Frame) -> Needed:
    """Fold the loops that stand directly in the frame `here`."""
    depth, inside = len(here), dict[str, list[Operation]]()
    for op in needed.ops:
        frame = frames[op]
        if len(frame) > depth:
            inside.setdefault(frame[depth], []).append(op)
    rest = [op for op in needed.ops if len(frames[op]) == depth]
    folded: dict[Operation, FoldedLoop] = {}
    loops = []
    for name, ops in inside.items():
        exits = [op for op in rest if op.type == "Exit" and frames[op.operands[0].op][: depth + 1] == (*here, name)]
        loop = _loop(needed, frames, (*here, name), ops, exits)
        loops.append(loop)
        folded.update(dict.fromkeys([*ops, *exits], loop))
    members = [op for op in rest if op not in folded]
    result = replace(needed, ops=(), folded=folded)
    return replace(result, ops=_in_order([*members, *loops], result))  # type: ignore[list-item]


def _loop(
    needed: Needed, frames: dict[Operation, Frame], frame: Frame, ops: list[Operation], exits: list[Operation]
) -> FoldedLoop:
    """One loop, and the loops inside of it.  ops: all that are in its frame or deeper; exits: its Exit operations."""
    enters = [op for op in ops if op.type == "Enter" and frames[op] == frame]
    places = {op: i for i, op in enumerate(enters)}
    merges = [op for op in ops if op.type == "Merge" and frames[op] == frame and _is_variable(op, places)]
    nexts = [op for op in ops if op.type == "NextIteration" and frames[op] == frame]
    firsts = {merge: tuple(places[t.op] for t in merge.operands if t.op in places) for merge in merges}
    values = {merge: next((t for t in merge.operands if t.op.type == "NextIteration"), None) for merge in merges}
    entering = {place for of_merge in firsts.values() for place in of_merge}
    constants = [(op.outputs[0], i) for op, i in places.items() if i not in entering or op.attrs["is_constant"]]
    within = [op for op in ops if op not in places and op not in firsts and op not in set(nexts)]
    fetches = [exit.operands[0] for exit in exits]
    fetches += [value.op.operands[0] for value in values.values() if value is not None]
    feeds = [merge.outputs[0] for merge in merges] + [tensor for tensor, _ in constants]
    inner = _fold(Needed(tuple(within), tuple(fetches), tuple(feeds), members=set(within)), frames, frame)
    members = set(ops)
    waits = [it for op in ops for it in waited_for(op, needed.fed) if it not in members]
    made = min(enters, key=lambda op: op.index)
    return FoldedLoop(
        name=frame[-1],
        made_at=made.made_at,
        operands=tuple(op.operands[0] for op in enters),
        outputs=tuple(exit.outputs[0] for exit in exits),
        waits_for=tuple(dict.fromkeys(waits)),
        pass_=_with_literals(inner),
        variables=tuple(
            (merge.outputs[0], firsts[merge], None if (value := values[merge]) is None else value.op.operands[0])
            for merge in merges
        ),
        constants=tuple(constants),
        results=tuple(exit.operands[0] for exit in exits),
        index=made.index,
    )


def _is_variable(merge: Operation, enters: dict[Operation, int]) -> bool:
    """Whether a Merge is that of a loop variable, and not that of a branch."""
    return any(tensor.op in enters or tensor.op.type == "NextIteration" for tensor in merge.operands)


def _frames(needed: Needed) -> dict[Operation, Frame]:
    """The frame of each operation.  InvalidArgumentError if inputs of an operation are in different loops."""
    frames: dict[Operation, Frame] = {}
    for op in _in_order(needed.ops, needed):
        inputs = [frames[it] for it in _earlier(op, needed)]
        frame = max(inputs, key=len, default=())
        if any(it != frame[: len(it)] for it in inputs):
            info = OpInfo(op.name, op.type, op.device, op.made_at)
            raise InvalidArgumentError(
                info, op, f"{op.name} has inputs from different frames: {sorted({'/'.join(it) for it in inputs if it})}"
            )
        if op.type == "Enter":
            frame = (*frame, op.attrs["frame_name"])
        elif op.type == "Exit":
            frame = frame[:-1]
        frames[op] = frame
    return frames


def _earlier(op: Operation, needed: Needed) -> list[Operation]:
    """The operations before `op`, without those of the iteration before."""
    return [it for it in needed.before(op) if it.type != "NextIteration" or op.type != "Merge"]


def _in_order(ops: Sequence[Operation], needed: Needed) -> tuple[Operation, ...]:
    """The operations in an order they can run in, as close to their own order as possible."""
    members, done = set(ops), set[Operation]()
    ordered: list[Operation] = []
    for first in sorted(ops, key=lambda op: op.index):
        waiting = [first]
        while waiting:
            op = waiting[-1]
            if op in done:
                waiting.pop()
                continue
            missing = [it for it in _earlier(op, needed) if it in members and it not in done]
            if missing:
                if len(waiting) > len(members):
                    raise InvalidArgumentError(None, None, f"the graph has a cycle that is no loop, at {op.name}")
                waiting.extend(missing)
                continue
            done.add(op)
            ordered.append(op)
            waiting.pop()
    return tuple(ordered)


def _check_fetches(needed: Needed, frames: dict[Operation, Frame]) -> None:
    for item in needed.fetches:
        op = item if isinstance(item, Operation) else item.op
        if frames.get(op):
            info = OpInfo(op.name, op.type, op.device, op.made_at)
            raise InvalidArgumentError(
                info,
                op,
                f"{op.name} is in the loop {frames[op][-1]!r}: it has a value in each iteration, none of the run",
            )
