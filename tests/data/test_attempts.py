"""A partition enters a queue from one attempt only, whatever Dask does."""

import numpy as np
import pytest

import dflow as df
from dflow.data.intake import build_intake
from dflow.data.push import Attempt, Push
from dflow.data.rows import ArrayRows, components_of
from dflow.runtime.base.deadline import NEVER
from tests.cluster.helpers import Background, eventually

ROWS = [np.arange(5)]


def push_into(queue: df.QueueBase, session: df.Session) -> Push:
    intake = build_intake(queue)
    plan = session.plans.take(intake.outcome, intake.feeds, NEVER)
    return Push(session.backend.session, intake.label, plan.call, ArrayRows(), components_of(queue.spec), queue.name, 2)


def test_an_attempt_whose_success_was_not_heard_is_not_repeated() -> None:
    queue = df.FIFOQueue(100, [df.int64], shapes=[[]])
    with df.Session() as session:
        push, process = push_into(queue, session), session.backend.process
        assert Attempt(process, push, 0).run(ROWS) == 5
        assert Attempt(process, push, 0).run(ROWS) == 5
        assert session.run(queue.size()) == 5
        assert Attempt(process, push, 1).run(ROWS) == 5
        assert session.run(queue.size()) == 10


def test_an_attempt_that_ended_half_way_is_not_repeated() -> None:
    queue = df.FIFOQueue(3, [df.int64], shapes=[[]])
    with df.Session() as session:
        push, process = push_into(queue, session), session.backend.process
        first = Attempt(process, push, 0)
        waiting = Background(lambda: first.run(ROWS))
        eventually(lambda: any(row["waiting_enqueues"] for row in session.queue_rows()))
        first.cancel(df.errors.CancelledError(None, None, "Dask took it back"))
        assert isinstance(waiting.result(), df.errors.CancelledError)
        with pytest.raises(
            df.errors.UnavailableError, match=rf"partition 0 .*{process.name}.*not pushed a second time"
        ):
            Attempt(process, push, 0).run(ROWS)
        assert session.run(queue.size()) == 3


def test_an_attempt_that_is_cancelled_before_it_begins_pushes_nothing() -> None:
    queue = df.FIFOQueue(100, [df.int64], shapes=[[]])
    with df.Session() as session:
        attempt = Attempt(session.backend.process, push_into(queue, session), 0)
        attempt.cancel(df.errors.CancelledError(None, None, "too late"))
        with pytest.raises(df.errors.CancelledError, match="too late; 0 of its 5 rows"):
            attempt.run(ROWS)
        assert session.run(queue.size()) == 0
