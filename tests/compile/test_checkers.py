"""The checker behind each pass rejects what the pass must never give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import dflow as df
from dflow.compile import Plan, Segment, compiler
from dflow.compile.lower import check_plan
from dflow.compile.place import check_placed, place
from dflow.compile.prune import Needed, check_pruned, prune
from dflow.compile.segments import Group, check_segments, segments
from dflow.graph import Operation
from tests.compile.helpers import CPUS, compiled, cpu

NEVER = 99


def program() -> tuple[df.Tensor, Needed]:
    """On CPU 0: a dequeue, and `free`, which does not wait for it; on CPU 1: `late`, which does."""
    with df.device("/cpu:0"):
        taken = df.FIFOQueue(10, [df.float32], shapes=[()]).dequeue(name="taken")
        free = df.negative(df.constant(1.0, name="one"), name="free")
        near = df.add(taken, free, name="near")
    with df.device("/cpu:1"), df.control_dependencies([free]):
        late = df.negative(near, name="late")
    return late, prune([late], [])


def ops_by_name(needed: Needed) -> dict[str, Operation]:
    return {op.name: op for op in needed.ops}


# -- prune


@pytest.mark.parametrize("left_out", ["taken", "free", "one"])
def test_an_operation_without_its_inputs_is_rejected(left_out: str) -> None:
    _, needed = program()
    check_pruned(needed)
    broken = replace(needed, ops=tuple(op for op in needed.ops if op.name != left_out))
    with pytest.raises(AssertionError, match=f"prune: .*{left_out}"):
        check_pruned(broken)


def test_operations_in_a_wrong_order_are_rejected() -> None:
    _, needed = program()
    with pytest.raises(AssertionError, match="before its inputs"):
        check_pruned(replace(needed, ops=needed.ops[::-1]))


def test_an_operation_that_comes_twice_is_rejected() -> None:
    _, needed = program()
    with pytest.raises(AssertionError, match="late comes twice"):
        check_pruned(replace(needed, ops=(*needed.ops, needed.ops[-1])))


# -- place


def test_a_device_that_does_not_exist_is_rejected() -> None:
    _, needed = program()
    placed = dict.fromkeys(needed.ops, cpu(7))
    with pytest.raises(AssertionError, match="CPU:7"):
        check_placed(needed.ops, placed, CPUS)


def test_colocated_operations_on_two_devices_are_rejected() -> None:
    _, needed = program()
    taken = ops_by_name(needed)["taken"]
    placed: dict[Operation, str] = dict.fromkeys(needed.ops, cpu(0)) | {taken.colocation_root(): cpu(1)}
    with pytest.raises(AssertionError, match="taken is not with fifo_queue"):
        check_placed(needed.ops, placed, CPUS)


# -- segments

Change = Callable[[list[Group], dict[str, Operation]], list[Group]]


def merged(*names: str) -> Change:
    """Put some operations into one group."""

    def change(groups: list[Group], ops: dict[str, Operation]) -> list[Group]:
        members = tuple(ops[name] for name in names)
        others = [group for group in groups if not set(group.ops) & set(members)]
        return [*others, Group(cpu(0), members, False)]

    return change


BROKEN_GROUPS: dict[str, tuple[Change, str]] = {
    "missing": (lambda groups, ops: groups[1:], "missing or in two"),
    "twice": (lambda groups, ops: [*groups, groups[0]], "missing or in two"),
    "a constant": (lambda groups, ops: [*groups, Group(cpu(0), (ops["one"],), False)], "missing or in two"),
    "two devices": (merged("near", "late"), "two devices"),
    "blocking and not": (merged("taken", "near"), "a blocking operation and others"),
    "waits for more": (merged("free", "near"), "wait for different blocking operations"),
    "not said to block": (merged("taken"), "a blocking operation and others"),
}


@pytest.mark.parametrize("case", BROKEN_GROUPS)
def test_broken_groups_are_rejected(case: str) -> None:
    _, needed = program()
    placed = place(needed.ops, CPUS, cpu(0))
    groups = segments(needed, placed)
    check_segments(groups, needed, placed)
    change, text = BROKEN_GROUPS[case]
    with pytest.raises(AssertionError, match=text):
        check_segments(change(groups, ops_by_name(needed)), needed, placed)


def test_groups_that_wait_for_each_other_are_rejected() -> None:
    with df.device("/cpu:0"):
        a = df.identity(df.constant(1.0), name="a")
    with df.device("/cpu:1"):
        b = df.identity(a, name="b")
    with df.device("/cpu:0"):
        c = df.identity(b, name="c")
    needed = prune([c], [])
    groups = [Group(cpu(0), (a.op, c.op), False), Group(cpu(1), (b.op,), False)]
    with pytest.raises(AssertionError, match="cycle"):
        check_segments(groups, needed, place(needed.ops, CPUS, cpu(0)))


# -- lower


def with_segment(label: str, **changes: Any) -> Callable[[Plan], Plan]:
    """Change the segment of this label, in the plan and in its device's part."""

    def change(plan: Plan) -> Plan:
        def changed(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
            return tuple(replace(s, **changes) if s.label == label else s for s in segments)

        parts = {device: replace(part, segments=changed(part.segments)) for device, part in plan.parts.items()}
        return replace(plan, segments=changed(plan.segments), parts=parts)

    return change


def with_part(device: str, **changes: Any) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, parts=plan.parts | {device: replace(plan.parts[device], **changes)})


def backwards(plan: Plan) -> Plan:
    return replace(plan, segments=plan.segments[::-1])


def twice_filled(plan: Plan) -> Plan:
    (near,) = [segment for segment in plan.segments if segment.label == "near"]
    instruction = replace(near.instructions[0], outputs=near.instructions[0].inputs[:1])
    return with_segment("near", instructions=(instruction,))(plan)


def overwriting(place: int) -> Callable[[Plan], Plan]:
    def change(plan: Plan) -> Plan:
        (near,) = [segment for segment in plan.segments if segment.label == "near"]
        return with_segment("near", instructions=(replace(near.instructions[0], inplace=place),))(plan)

    return change


BROKEN_PLANS: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "edge of no one": (with_segment("near", needs=(NEVER,)), "needs an edge without a source"),
    "wrong order": (backwards, "needs an edge without a source"),
    "two sources": (with_segment("near", done=0), "edge 0 has two sources"),
    "empty slot": (with_segment("near", arguments=()), r"near \(Add.*reads a slot before it is filled"),
    "slot filled twice": (twice_filled, "fills a slot a second time"),
    "written over": (overwriting(0), "near .*writes over a value that others may hold"),
    "empty result": (with_segment("late", results=((NEVER, NEVER),)), "gives a slot that is never filled"),
    "no source of a fetch": (lambda plan: replace(plan, fetches=(NEVER,)), "a fetch has no source"),
    "no route": (with_part(cpu(0), routes={}), "do not reach .*CPU:1"),
    "no way to the caller": (with_part(cpu(1), fetched=frozenset()), "does not go to the caller"),
    "segment in no part": (with_part(cpu(1), segments=()), "in no part or in two"),
}


@pytest.mark.parametrize("case", BROKEN_PLANS)
def test_broken_plans_are_rejected(case: str) -> None:
    late, _ = program()
    plan = compiled(late)
    check_plan(plan)
    change, text = BROKEN_PLANS[case]
    with pytest.raises(AssertionError, match=text):
        check_plan(change(plan))


# -- when they run


def test_the_checkers_run_in_tests_and_not_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    late, _ = program()
    monkeypatch.setattr(compiler, "segments", lambda needed, placed: segments(needed, placed)[::-1])
    with pytest.raises(AssertionError):
        compiled(late)
    monkeypatch.setenv("DFLOW_CHECK", "0")
    assert compiled(late).segments
