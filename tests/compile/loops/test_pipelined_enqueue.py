"""Which enqueue a loop may pipeline, and what is left of its plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dflow as df
from dflow.compile import Plan, loop_notes, loop_plan
from dflow.compile.lower import check_plan
from tests.compile.helpers import compiled, cpu, names

THERE, HERE, ELSEWHERE = cpu(0), cpu(1), cpu(2)  # each at an address of its own


def queue(components: int = 1, shapes: Any = None) -> df.FIFOQueue:
    with df.device(THERE):
        return df.FIFOQueue(10, [df.float32] * components, shapes=shapes or [()] * components)


def made(name: str = "made", device: str = HERE) -> Any:
    with df.device(device):
        return df.random_uniform([], name=name)


def pipelining(fetches: Any, driver: str = HERE) -> Plan | None:
    """The plan of a loop that pipelines its enqueue, checked; None if it does not."""
    plan = compiled(fetches)
    found = loop_plan(plan, driver, 7)
    check_plan(found)
    return None if found.pipelined is None else found


def test_an_enqueue_of_what_the_loop_computes_for_another_process_leaves_its_plan() -> None:
    plan = pipelining(queue().enqueue([made()], name="put"))
    assert plan is not None
    assert plan.pipelined is not None
    assert plan.number == 7
    assert [names(segment) for segment in plan.segments] == [["made"]]
    assert (plan.pipelined.op.name, plan.pipelined.many, plan.pipelined.address) == ("put", False, f"at {THERE}")
    assert plan.devices == [HERE]
    assert plan.addresses == {HERE: f"at {HERE}"}
    assert plan.parts[HERE].addresses == {THERE: f"at {THERE}"}, "that process hears of the session"
    assert plan.fetches == (None, *plan.segments[0].gives), "the user's, then the element"
    assert (plan.pipelined.fetches, plan.pipelined.components) == (1, ((1, None),))


def test_elements_may_have_constants_and_one_value_twice() -> None:
    first = made()
    plan = pipelining(queue(3).enqueue([first, np.float32(2), first]))
    assert plan is not None
    assert plan.pipelined is not None
    assert plan.pipelined.components == ((1, None), (None, np.float32(2)), (1, None))
    assert len(plan.fetches) == 2


def test_several_elements_at_once_are_pipelined_too() -> None:
    with df.device(HERE):
        rows = df.random_uniform([3])
    plan = pipelining(queue().enqueue_many([rows]))
    assert plan is not None
    assert plan.pipelined is not None
    assert plan.pipelined.many


def test_what_else_is_fetched_comes_first() -> None:
    with df.device(HERE):
        value = made()
        double = df.multiply(value, 2.0, name="double")
    put = queue().enqueue([value])
    plan = pipelining([double, put])
    assert plan is not None
    assert plan.pipelined is not None
    assert plan.pipelined.fetches == 2
    assert plan.fetches[0] in plan.segments[0].gives
    assert plan.fetches[1] is None


def test_an_enqueue_may_wait_for_something_of_its_process() -> None:
    with df.device(HERE):
        count = df.Variable(0.0).assign_add(1.0, name="count")
    value = df.constant(np.float32(1))
    with df.control_dependencies([count]):
        plan = pipelining(queue().enqueue([value]))
    assert plan is not None
    assert [names(segment)[-1:] for segment in plan.segments] == [["count"]]
    assert plan.pipelined is not None
    assert plan.pipelined.components == ((None, np.float32(1)),)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (lambda: queue().enqueue([np.float32(1)]), "its queue is in the loop's own process"),
        (lambda: queue().enqueue([made(device=THERE)]), "its queue is in the loop's own process"),
        (
            lambda: df.group(queue().enqueue([made()]), made("other", ELSEWHERE).op),
            "is in another process than the loop",
        ),
        (lambda: df.group(queue().enqueue([made()]), queue().enqueue([made()])), "may wait, too"),
        (lambda: queue().enqueue([queue().dequeue() + made()]), "may wait, too"),
        (lambda: _after(queue().enqueue([made()])), "comes after it"),
        (lambda: df.group(made().op, queue().close()), None),
    ],
)
def test_other_bodies_stay_as_they_are_and_a_note_says_why(body: Any, why: str | None) -> None:
    assert pipelining(body()) is None
    plan = compiled(body())
    driver = HERE if HERE in plan.addresses else THERE  # a loop runs on a device of its plan
    notes = [note for note in loop_notes(plan, driver) if "is not pipelined" in note]
    assert bool(notes) == (why is not None)
    assert all(why is not None and why in note for note in notes)


def _after(put: Any) -> Any:
    with df.device(HERE), df.control_dependencies([put]):
        return df.identity(made("later"))


def test_an_enqueue_of_the_loops_own_process_stays() -> None:
    assert pipelining(queue().enqueue([made()]), driver=THERE) is None
