"""Loop batching: a loop that reads one record, computes with it and enqueues the result does so for many at once.

The body of such a loop is rewritten into three parts: a read, one straight line of kernel calls, an enqueue.  The line
has the computation for one record; the executor gives each kernel that depends on the record a leading axis, by the
batch rule of its operation, as `vmap` does in JAX.

Why only this shape of loop: a read and an enqueue are the only side effects of an iteration, and both can be rolled
back or left out.  So no program can see whether the records went one by one.  Any other side effect could be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dflow.compile.plan import Instruction, Plan, Segment, VectorizedBody
from dflow.registry import op_def

READ, ENQUEUE, NOTHING = "ReaderReadV2", "QueueEnqueueV2", "NoOp"


class NotVectorizedError(Exception):
    """A loop that reads and enqueues has to go record by record; the text of the error has the reason."""


def with_vectorized_body(plan: Plan) -> Plan:
    """The plan, with the body of a loop for many records, or with the reason why there is none."""
    try:
        body = vectorized_body(plan)
    except NotVectorizedError as error:
        return replace(plan, one_by_one=str(error))
    if body is None:
        return plan
    device = body.line.device
    part = replace(plan.parts[device], vectorized=body)
    return replace(plan, vectorized=body, parts={**plan.parts, device: part})


def vectorized_body(plan: Plan) -> VectorizedBody | None:
    """The body of a loop of this plan for many records; None if it is no loop that reads and enqueues.

    Raises NotVectorizedError if it is one, and does something besides that does not go for many at once.
    """
    ends = _read_and_enqueue(plan)
    if ends is None:
        return None
    read, enqueue = ends
    middle = [segment for segment in plan.segments if segment is not read and segment is not enqueue]
    for segment in middle:
        _check_place(segment, read)
    body = _joined(read, middle, enqueue)
    _check_rules(body)
    return body


def _read_and_enqueue(plan: Plan) -> tuple[Segment, Segment] | None:
    """The one read and the one enqueue of a body that fetches nothing."""
    if plan.feeds or any(edge is not None for edge in plan.fetches):
        return None
    reads = [segment for segment in plan.segments if _kind(segment) == READ]
    enqueues = [segment for segment in plan.segments if _kind(segment) == ENQUEUE]
    return (reads[0], enqueues[0]) if len(reads) == len(enqueues) == 1 else None


def _kind(segment: Segment) -> str:
    return segment.op.kind if segment.blocks else ""


def _check_place(segment: Segment, read: Segment) -> None:
    """NotVectorizedError for a segment that has state, or is not beside the reader."""
    for op in [instruction.op for instruction in segment.instructions if instruction.op.kind != NOTHING]:
        if op_def(op.kind).stateful:
            raise NotVectorizedError(f"'{op.name}' ({op.kind}) has state or side effects")
        if segment.device != read.device:
            raise NotVectorizedError(f"'{op.name}' is on {segment.device}, its reader on {read.device}")


def _check_rules(body: VectorizedBody) -> None:
    """NotVectorizedError if an operation that depends on the record has no batch rule."""
    of_record = set(body.read.outputs)
    for instruction in body.line.instructions:
        op = instruction.op
        if of_record.isdisjoint(instruction.inputs):
            continue
        if op_def(op.kind).batch is None:
            raise NotVectorizedError(f"'{op.name}' ({op.kind}) has no rule for many records at once")
        of_record.update(instruction.outputs)


class _Slots:
    """The slots of several segments as those of one."""

    def __init__(self) -> None:
        self.count = 0
        self.literals: list[tuple[int, object]] = []
        self._of_edge: dict[int, int] = {}

    def add(self, segment: Segment) -> Callable[[Iterable[int]], tuple[int, ...]]:
        """Add a segment; returns a function that renames its slots."""
        first = self.count
        self.count += segment.slots
        names = {slot: first + slot for slot in range(segment.slots)}
        names.update({slot: self._of_edge[edge] for slot, edge in segment.arguments})
        self.literals += [(names[slot], value) for slot, value in segment.literals]
        self._of_edge.update({edge: names[slot] for edge, slot in segment.results})
        return lambda slots: tuple(names[slot] for slot in slots)


def _joined(read: Segment, middle: Sequence[Segment], enqueue: Segment) -> VectorizedBody:
    """The body: all computation comes before the enqueue, which it cannot see."""
    slots = _Slots()
    moved: list[Instruction] = []
    for segment in [read, *middle, enqueue]:
        rename = slots.add(segment)
        moved += [
            replace(i, inputs=rename(i.inputs), outputs=rename(i.outputs), frees=(), inplace=None)
            for i in segment.instructions
        ]
    first, *inner, last = moved
    line = Segment(
        index=-1,
        device=read.device,
        label=enqueue.label,
        blocks=False,
        needs=(),
        arguments=tuple((slot, i) for i, slot in enumerate(first.outputs)),
        literals=tuple(slots.literals),
        slots=slots.count,
        instructions=tuple(instruction for instruction in inner if instruction.op.kind != NOTHING),
        results=tuple(enumerate(last.inputs)),
        done=None,
    )
    return VectorizedBody(first, line, last)
