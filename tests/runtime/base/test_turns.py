"""Threads that run steps of one session again and again take turns; one that is alone never waits for any."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import dflow as df
from dflow.runtime.base.turns import ALONE, Turns
from tests.cluster.helpers import Background

THREADS, STEPS = 10, 20


class Counted:
    """Counts how often a thread gave way."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def in_another_thread(call: Callable[[], Any]) -> Any:
    return Background(call).result()


def test_the_thread_that_made_the_session_never_gives_way_while_it_is_alone() -> None:
    counted = Counted()
    turns = Turns(counted)
    for _ in range(2 * ALONE):
        turns.ended(waited=False)
    assert counted.times == 0


def test_a_thread_gives_way_after_each_step_until_it_is_the_only_one_for_a_while() -> None:
    counted = Counted()
    turns = Turns(counted)
    in_another_thread(lambda: turns.ended(waited=False))
    assert counted.times == 1
    for _ in range(2 * ALONE):
        turns.ended(waited=False)
    assert counted.times == 1 + ALONE
    in_another_thread(lambda: turns.ended(waited=False))
    turns.ended(waited=False)
    assert counted.times == 3 + ALONE


def test_a_thread_that_waited_in_its_step_has_given_way_already() -> None:
    counted = Counted()
    turns = Turns(counted)
    in_another_thread(lambda: turns.ended(waited=True))
    turns.ended(waited=True)
    assert counted.times == 0
    turns.ended(waited=False)
    assert counted.times == 1


def calls(session: df.Session, op: df.Operation, tensor: df.Tensor) -> dict[str, Callable[[], Any]]:
    return {
        "run": lambda: session.run(op),
        "run with a deadline": lambda: session.run(op, options=df.RunOptions(timeout_in_ms=100_000)),
        "make_callable": session.make_callable(op),
        "Operation.run": lambda: op.run(session=session),
        "Tensor.eval": lambda: tensor.eval(session=session),
    }


@pytest.mark.parametrize("how", ["run", "run with a deadline", "make_callable", "Operation.run", "Tensor.eval"])
@pytest.mark.parametrize("body", ["an attempt", "a computation", "several segments"])
def test_threads_in_a_loop_are_never_more_than_a_step_apart(
    how: str, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gives way after each step: here until all others have done so too."""
    queue = df.FIFOQueue(2 * THREADS * STEPS, ["float32"], shapes=[[]])
    count = df.Variable(0.0)
    counted = df.assign_add(count, 1.0, use_locking=True)
    with df.control_dependencies([queue.enqueue([1.0])]):
        enqueued_and_counted = df.assign_add(count, 1.0, use_locking=True)
    op, tensor = {
        "an attempt": (queue.enqueue([1.0]), queue.size()),
        "a computation": (counted.op, counted),
        "several segments": (enqueued_and_counted.op, enqueued_and_counted),
    }[body]
    ran = [0] * THREADS
    apart = []

    def meet() -> None:
        apart.append(max(ran) - min(ran))

    barrier = threading.Barrier(THREADS, action=meet)

    with df.Session() as session:
        session.run(count.initializer)
        call = calls(session, op, tensor)[how]
        call()
        monkeypatch.setattr(session.backend, "turns", Turns(barrier.wait))

        def loop(number: int) -> None:
            for _ in range(STEPS):
                ran[number] += 1
                call()

        threads = [Background(lambda number=number: loop(number)) for number in range(THREADS)]  # type: ignore[misc]
        assert [thread.result() for thread in threads] == [None] * THREADS
    assert apart == [0] * STEPS
