"""Loops on workers, and what the program hears of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

import dflow as df
from dflow.cluster import EmbeddedCluster
from tests.cluster.helpers import PATIENCE, W0, eventually, quick_cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedCluster]:
    with quick_cluster() as cluster:
        yield cluster


class SlowChannel:
    """Holds back what comes of loops until it is let through."""

    def __init__(self, session: df.Session) -> None:
        process: Any = session.backend.process  # type: ignore[attr-defined]
        self._through = process.on_loop_report
        self._held: list[Any] | None = []
        process.on_loop_report = self._take

    def _take(self, report: Any) -> None:
        if self._held is None:
            self._through(report)
        else:
            self._held.append(report)

    def let_through(self) -> None:
        held, self._held = self._held, None
        for report in held or ():
            self._through(report)


def counter() -> tuple[Any, Any]:
    with df.device(W0):
        number = df.Variable(0, name="number")
        return number.initializer, df.assign_add(number, 1)


@pytest.mark.parametrize("fails", [False, True], ids=["good end", "error"])
def test_all_values_come_before_the_end_however_slow_they_are(fails: bool, session: df.Session) -> None:
    initializer, count = counter()
    if fails:
        with df.device(W0):
            good = df.Assert(df.less(count, 6), ["too large"])
            with df.control_dependencies([good]):
                count = df.identity(count)
    session.run(initializer)
    channel = SlowChannel(session)
    loop: Any = session.repeat(count, steps=8, every=1)
    eventually(lambda: loop.ending)  # its task has ended, as Dask says
    assert not loop.done()
    channel.let_through()
    seen = []
    with pytest.raises(df.errors.InvalidArgumentError) if fails else nullcontext():
        for _, value in loop:
            seen.append(int(value))
    assert seen == list(range(1, 6 if fails else 9))


def test_a_loop_whose_worker_dies_before_its_last_values_came_ends(
    session: df.Session, cluster: EmbeddedCluster
) -> None:
    initializer, count = counter()
    session.run(initializer)
    SlowChannel(session)
    loop: Any = session.repeat(count, steps=8, every=1)
    eventually(lambda: loop.ending)
    cluster.kill_worker("/job:worker/task:0")
    try:
        assert loop.join(PATIENCE) == 8
    finally:
        cluster.start_worker("/job:worker/task:0")
        cluster.wait_for_workers()


def test_a_session_may_be_closed_at_the_end_of_a_loop(cluster: EmbeddedCluster) -> None:
    """That is told in the thread which hears of the others' ends."""
    session = df.Session(cluster.scheduler_address)
    with df.device(W0):
        one = df.constant(1.0) + 1.0
    loop, other = session.repeat(one), session.repeat(one)
    loop.call_at_end(session.close)
    loop.stop()
    assert other.join(PATIENCE) is not None
    eventually(lambda: session.backend.client.status == "closed")  # type: ignore[attr-defined]
