"""Random graphs with queues: run by segment and run operation by operation, they end alike.

Both complete, with equal values; or both fail, with the same error; or both are stuck, waiting for the same attempts.
So grouping makes nothing wait that would not have waited by itself, and no two segments wait for each other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

import dflow as df
from dflow.compile.prune import Needed
from dflow.compile.segments import Group, segments
from tests.compile.driver import Driver, Outcome, group_one_by_one, plan_with
from tests.compile.helpers import CPUS

DEVICES = ("/cpu:0", "/cpu:1", "/cpu:2")
PLAIN = ("constant", "nothing", "negative", "add", "size")
WAITING = ("enqueue", "enqueue", "enqueue_many", "dequeue", "dequeue", "dequeue_many", "dequeue_up_to", "close")
ARGUMENTS = {"negative": 1, "add": 2, "enqueue": 1, "enqueue_many": 2}


@dataclass(frozen=True)
class Step:
    """One operation: its arguments and what it waits for are earlier steps."""

    kind: str
    device: str
    queue: int
    arguments: tuple[int, ...]
    controls: tuple[int, ...]
    n: int


@dataclass(frozen=True)
class Recipe:
    """Queues, as (device, capacity); steps; and a seed for the order in which attempts start."""

    queues: tuple[tuple[str, int], ...]
    steps: tuple[Step, ...]
    seed: int


def gives_nothing(kind: str) -> bool:
    return kind in ("nothing", "enqueue", "enqueue_many", "close")


@st.composite
def recipes(draw: Callable[..., Any]) -> Recipe:
    capacities = st.sampled_from((-1, -1, 1, 2, 3))
    queues = draw(st.lists(st.tuples(st.sampled_from(DEVICES), capacities), min_size=1, max_size=3))
    steps: list[Step] = []
    for i in range(draw(st.integers(2, 22))):
        valued = [j for j, step in enumerate(steps) if not gives_nothing(step.kind)]
        kind = draw(st.sampled_from(PLAIN + WAITING if valued else ("constant", "nothing", "dequeue")))
        steps.append(
            Step(
                kind,
                draw(st.sampled_from(DEVICES)),
                draw(st.integers(0, len(queues) - 1)),
                tuple(draw(st.sampled_from(valued)) for _ in range(ARGUMENTS.get(kind, 0))),
                tuple(draw(st.lists(st.integers(0, i - 1), max_size=2, unique=True))) if i else (),
                draw(st.integers(0, 2)),
            )
        )
    return Recipe(tuple(queues), tuple(steps), draw(st.integers(0, 99)))


def build(recipe: Recipe) -> list[Any]:
    """What each step made, in the default graph: a scalar, or an operation."""
    queues = []
    for device, capacity in recipe.queues:
        with df.device(device):
            queues.append(df.FIFOQueue(capacity, [df.int32], shapes=[()]))
    made: list[Any] = []
    for step in recipe.steps:
        with df.device(step.device), df.control_dependencies([made[i] for i in step.controls]):
            made.append(build_step(step, queues[step.queue], [made[i] for i in step.arguments]))
    return made


def build_step(step: Step, queue: df.FIFOQueue, arguments: list[Any]) -> Any:
    if step.kind == "constant":
        return df.constant(step.n, df.int32)
    if step.kind == "nothing":
        return df.no_op()
    if step.kind in ("negative", "add"):
        return getattr(df, step.kind)(*arguments)
    if step.kind == "enqueue_many":
        return queue.enqueue_many([df.stack(arguments)])
    if step.kind in ("dequeue_many", "dequeue_up_to"):
        return df.reduce_sum(getattr(queue, step.kind)(step.n))
    return getattr(queue, step.kind)(*arguments)


def outcome(group: Callable[..., list[Group]], fetches: list[Any], order: list[str]) -> Outcome:
    return Driver(plan_with(group, fetches, CPUS), order).run()


def values(found: Outcome) -> list[Any]:
    return [np.asarray(value).tolist() for _, value in sorted(found.values.items())]


@settings(max_examples=300)
@given(recipes())
def test_by_segment_and_operation_by_operation_a_run_ends_alike(recipe: Recipe) -> None:
    with df.Graph().as_default() as graph:
        fetches = build(recipe)
        order = [op.name for op in graph.get_operations()]
        random.Random(recipe.seed).shuffle(order)
        grouped, single = outcome(segments, fetches, order), outcome(group_one_by_one, fetches, order)
    event(single.end.partition(":")[0])
    assert grouped.end == single.end
    assert grouped.started == single.started
    assert grouped.answered == single.answered
    if single.end == "done":
        plans = [plan_with(group, fetches, CPUS).fetches for group in (segments, group_one_by_one)]
        for mine, theirs in zip(*plans, strict=True):
            if mine is not None and theirs is not None:
                assert grouped.values[mine] == single.values[theirs]


# -- the test would see it


def group_by_level(needed: Needed, placed: Mapping[Any, str]) -> list[Group]:
    """A wrong grouping: it does not ask what an operation waits for."""
    plain = [op for op in needed.ops if not op.definition.blocks and op.type != "Const"]
    waiting = [Group(placed[op], (op,), True) for op in needed.ops if op.definition.blocks]
    return [Group(placed[plain[0]], tuple(plain), False), *waiting]


def test_a_grouping_that_makes_something_wait_is_stuck() -> None:
    """`free` is to be enqueued; `after` waits for it to be dequeued: together they wait for themselves."""
    with df.device("/cpu:0"):
        queue = df.FIFOQueue(1, [df.int32], shapes=[()])
        put = queue.enqueue(df.negative(df.constant(1, df.int32), name="free"))
        after = df.negative(queue.dequeue(), name="after")
    order = [put.name, "fifo_queue_Dequeue"]
    assert outcome(group_by_level, [put, after], order).end == "stuck"
    assert outcome(segments, [put, after], order).end == "done"
    assert outcome(group_one_by_one, [put, after], order).end == "done"
    assert values(outcome(segments, [put, after], order)) == [1]


def test_a_dequeue_of_an_empty_queue_is_stuck_either_way() -> None:
    value = df.FIFOQueue(1, [df.int32], shapes=[()]).dequeue()
    for group in (segments, group_one_by_one):
        found = outcome(group, [value], [value.op.name])
        assert (found.end, found.started, found.answered) == ("stuck", [value.op.name], [])
