"""How the errors of a lost worker read."""

from __future__ import annotations

import dflow as df
from dflow.errors import InvalidArgumentError, OpError, UnavailableError
from dflow.runtime.base.failures import lost, with_operations
from tests.compile.helpers import compiled, cpu, table_of

TABLE = table_of(*(cpu(0, "worker", task) for task in (1, 10)))
PLACES = ("/job:worker/task:1", "/job:worker/task:10")


def said(error: OpError) -> list[str]:
    """The lines of an error of a run of three operations on one worker, and one on another."""
    with df.device(PLACES[0]):
        a = df.range(5, name="a")
        y = df.negative(df.square(a, name="b"), name="c")
    with df.device(PLACES[1]):
        z = df.negative(y, name="far")
    return str(with_operations(error, compiled(z, table=TABLE))).splitlines()


def test_the_error_of_a_lost_worker_names_the_first_operations_there_and_their_lines() -> None:
    first, step, a, b, more = said(lost("tcp://here", [cpu(0, "worker", 1)], "this step's part there"))
    assert first.endswith("task:1/device:CPU:0 was lost, and this step's part there with it")
    assert step.strip() == "of the step there:"
    assert a.strip().startswith("a (Range), made at ")
    assert "test_failures.py:" in a
    assert b.strip().startswith("b (Square), made at ")
    assert more.strip() == "and 1 more"


def test_a_device_whose_name_begins_like_that_of_the_lost_one_is_another_one() -> None:
    _, _, far = said(lost("tcp://here", [cpu(0, "worker", 10)], "this step's part there"))
    assert far.strip().startswith("far (Neg), made at ")


def test_other_errors_are_left_as_they_are() -> None:
    assert said(UnavailableError(None, None, "the scheduler was lost")) == ["the scheduler was lost"]
    assert said(InvalidArgumentError(None, None, cpu(0, "worker", 1))) == [cpu(0, "worker", 1)]
