"""A run waits for the workers that it needs to declare their devices, and for no others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import dflow as df
from dflow.compile import DeviceInfo, DeviceTable, Plan
from dflow.runtime.base import timeouts
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.base.deadline import NEVER, Deadline, Patience
from dflow.runtime.session.plans import Plans
from tests.compile.helpers import cpu, gpu

PS, W0, W1 = cpu(job="ps"), cpu(job="worker"), cpu(job="worker", task=1)
W0_GPU = gpu(job="worker")


def at(name: str, **fields: Any) -> DeviceInfo:
    return DeviceInfo(name, f"at {name.removesuffix('/device:CPU:0')}", incarnation="first", **fields)


def starting(name: str) -> DeviceInfo:
    return DeviceInfo(name, f"at {name.removesuffix('/device:CPU:0')}", starting=True)


class Cluster:
    """A backend that is told each table; the last one stays."""

    session = "session"

    def __init__(self, *tables: Sequence[DeviceInfo]) -> None:
        self.tables = list(tables)
        self.asked = 0

    def table(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        self.asked += fresh
        devices = self.tables.pop(0) if fresh and len(self.tables) > 1 else self.tables[0]
        return DeviceTable(tuple(devices))

    def install(self, plan: Plan, deadline: Deadline) -> None: ...


def take(cluster: Cluster, fetch: Any, deadline: Deadline = NEVER) -> list[str]:
    """The devices of the plan."""
    backend: Any = cluster
    return Plans(backend, ConfigProto()).take((fetch,), (), deadline).devices


def on(device: str) -> df.Tensor:
    with df.device(device):
        return df.random_uniform([])


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The pauses between looks."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    yield found
    monkeypatch.undo()


def test_a_run_waits_for_the_worker_that_it_needs(pauses: list[float]) -> None:
    """It looks less and less often."""
    cluster = Cluster(*[[starting(PS), at(W0)]] * 8, [at(PS), at(W0)])
    assert take(cluster, on(PS)) == [PS]
    assert cluster.asked == 9
    assert pauses[0] < 0.1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 0.5


@pytest.mark.parametrize("device", [W0, "/job:worker", ""])
def test_a_run_does_not_wait_for_a_worker_that_it_does_not_need(device: str) -> None:
    cluster = Cluster([starting(PS), at(W0)])
    assert take(cluster, on(device)) == [W0]
    assert cluster.asked == 1


def test_an_operation_that_nobody_pinned_waits_for_the_first_worker_whoever_is_there_before() -> None:
    """Two sessions put the same variable on the same device; a GPU is preferred once it is known."""
    cluster = Cluster([starting(W0), at(W1)], [starting(W0), at(W1)], [at(W0), at(W0_GPU), at(W1)])
    backend: Any = cluster
    plans = Plans(backend, ConfigProto())
    assert plans.take((on(""),), (), NEVER).devices == [W0_GPU]
    assert plans.take((df.Variable(1.0).initializer,), (), NEVER).devices == [W0_GPU]


def test_a_device_that_is_not_known_yet_may_be_one_of_a_worker_that_is_starting() -> None:
    cluster = Cluster([starting(W0)], [at(W0), at(W0_GPU)])
    assert take(cluster, on("/job:worker/task:0/gpu:0")) == [W0_GPU]


def test_a_device_that_the_worker_turns_out_not_to_have_is_an_error() -> None:
    cluster = Cluster([starting(W0)], [at(W0)])
    with pytest.raises(df.errors.InvalidArgumentError, match="no device matches '/job:worker/task:0/device:GPU:0'"):
        take(cluster, on("/job:worker/task:0/gpu:0"))


def test_a_reader_waits_for_the_worker_of_its_queue_of_file_names() -> None:
    with df.device(PS):
        names = df.FIFOQueue(3, [df.string], shapes=[[]])
    with df.device(W0):
        read = df.TextLineReader().read(names)[0]
    cluster = Cluster([starting(PS), at(W0)], [at(PS), at(W0)])
    assert take(cluster, read) == [W0]
    assert cluster.asked == 2


def test_at_the_deadline_the_error_names_the_worker_and_its_device() -> None:
    cluster = Cluster([starting(PS), at(W0)])
    expected = r"the worker at /job:ps/replica:0/task:0 with /job:ps/.*/device:CPU:0 did not declare its devices within"
    with pytest.raises(df.errors.DeadlineExceededError, match=expected):
        take(cluster, on(PS), Deadline(0.0))


def test_at_the_deadline_the_worker_is_named_and_not_the_scheduler_which_had_no_time_to_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, deadline = Cluster([starting(PS), at(W0)]), Deadline(60.0)
    table = cluster.table

    def last(fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        if cluster.asked == 2:
            monkeypatch.setattr(deadline, "left", lambda: 0.0)
            raise deadline.error("the scheduler did not answer")
        return table(fresh, deadline)

    monkeypatch.setattr(cluster, "table", last)
    with pytest.raises(df.errors.DeadlineExceededError, match=r"the worker at /job:ps/.* did not declare its devices"):
        take(cluster, on(PS), deadline)


def test_a_worker_that_is_lost_while_a_run_waits_for_it_ends_the_run() -> None:
    cluster = Cluster([starting(PS), at(W0)], [at(W0)])
    with pytest.raises(df.errors.UnavailableError, match=r"the worker at /job:ps.*was lost or refused before"):
        take(cluster, on(PS))


def test_a_worker_that_is_lost_when_it_had_its_devices_is_unavailable() -> None:
    cluster = Cluster([starting(PS), at(W0)], [at(PS, lost=True), at(W0)])
    with pytest.raises(df.errors.UnavailableError, match="has not come back"):
        take(cluster, on(PS))


def test_another_worker_that_becomes_the_device_will_do() -> None:
    """Workers without a name are numbered as they come."""
    other = DeviceInfo(W0, "at another address", incarnation="first")
    cluster = Cluster([starting(W0), starting(W1)], [other, DeviceInfo(W1, "at /job:worker/...", starting=True)])
    assert take(cluster, on("/task:0")) == [W0]


def test_who_waits_for_long_says_once_for_whom(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "LOG_SLOW_AFTER", 0.0)
    with caplog.at_level(logging.WARNING, "dflow.cluster"):
        take(Cluster(*[[starting(PS)]] * 3, [at(PS)]), on(PS))
    (record,) = caplog.records
    assert "the worker at /job:ps/replica:0/task:0 with" in record.message
    assert "did not declare its devices" in record.message


def test_patience_ends_with_the_deadline_and_looks_up_once_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    patience = Patience(Deadline(8.0))
    assert patience.pause() == timeouts.LOG_SLOW_AFTER
    now[0] += 6
    patience.check("a worker", "answer")
    assert patience.pause() == 2
    now[0] += 2
    with pytest.raises(df.errors.DeadlineExceededError, match="a worker did not answer within 8 s"):
        patience.check("a worker", "answer")
    forever = Patience(NEVER)
    now[0] += 6
    forever.check("a worker", "answer")
    assert forever.pause() is None
