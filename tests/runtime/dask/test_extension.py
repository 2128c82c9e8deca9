"""How the scheduler's extension has workers set up: those that do not answer are starting as long as they are known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dflow.runtime.base import timeouts
from dflow.runtime.dask import extension
from dflow.runtime.dask.extension import DflowExtension

PS, WORKER = "tcp://127.0.0.1:1", "tcp://127.0.0.1:2"
PS_CPU, WORKER_CPU = "/job:ps/replica:0/task:0/device:CPU:0", "/job:worker/replica:0/task:0/device:CPU:0"
TIMEOUT = 20  # seconds: of a test that fails, never of one that passes


class Workers:
    """A scheduler whose workers answer when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(extension, "add_plugin", self._add_plugin)
        monkeypatch.setattr(timeouts, "DEVICES_AGAIN", 0)
        self.asked: asyncio.Queue[tuple[str, asyncio.Future[BaseException | None]]] = asyncio.Queue()
        self.scheduler: Any = SimpleNamespace(
            workers={}, handlers={}, log_event=lambda *_: None, client_releases_keys=lambda **_: None
        )
        self.extension = DflowExtension()

    async def _add_plugin(self, scheduler: Any, worker: str, name: str, plugin: Any) -> BaseException | None:
        answer: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        await self.asked.put((worker, answer))
        return await answer

    def add(self, address: str, name: str) -> None:
        self.scheduler.workers[address] = SimpleNamespace(address=address, name=name, nanny=None, last_seen=0.0)
        self.extension.add_worker(self.scheduler, address)

    def remove(self, address: str) -> None:
        del self.scheduler.workers[address]
        self.extension.remove_worker(self.scheduler, address, stimulus_id="test")

    def join(self, address: str, name: str, incarnation: str = "first") -> Any:
        return self.extension.dflow_join(address, name, incarnation, "127.0.0.1", None, 0, {})

    def starting(self) -> list[tuple[str, list[str]]]:
        return [(found["address"], found["devices"]) for found in self.extension.dflow_devices()["starting"]]


def run(monkeypatch: pytest.MonkeyPatch, test: Callable[[Workers], Awaitable[None]]) -> None:
    async def limited() -> None:
        workers = Workers(monkeypatch)
        await workers.extension.start(workers.scheduler)
        await asyncio.wait_for(test(workers), TIMEOUT)
        await workers.extension.close()

    asyncio.run(limited())


def test_a_worker_that_has_not_answered_is_starting_with_the_devices_that_it_will_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        workers.add(WORKER, WORKER)
        assert workers.starting() == [(PS, [PS_CPU]), (WORKER, [WORKER_CPU])]
        assert workers.extension.dflow_devices()["members"] == []
        assert workers.join(PS, "/job:ps/task:0") == {"devices": [PS_CPU]}
        assert workers.starting() == [(PS, [PS_CPU]), (WORKER, [WORKER_CPU])]
        workers.extension.dflow_ready("/job:ps/task:0")
        assert workers.starting() == [(WORKER, [WORKER_CPU])]
        (member,) = workers.extension.dflow_devices()["members"]
        assert (member["devices"], member["incarnation"], member["lost"]) == ([PS_CPU], "first", False)

    run(monkeypatch, test)


def test_a_worker_that_cannot_be_reached_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as it takes: Dask gives up a connection after 30 s."""

    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        for _ in range(3):
            worker, answer = await workers.asked.get()
            assert worker == PS
            answer.set_result(OSError("timed out"))
        _, answer = await workers.asked.get()
        answer.set_result(None)
        assert workers.starting() == [(PS, [PS_CPU])]  # it has answered, and not declared its devices yet

    run(monkeypatch, test)


def test_a_worker_whose_answer_alone_was_lost_is_not_set_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask would take down the plugin that works there."""

    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        task = workers.extension.newcomers[PS]
        _, answer = await workers.asked.get()
        workers.join(PS, "/job:ps/task:0")
        workers.extension.dflow_ready("/job:ps/task:0")
        answer.set_result(OSError("the connection was cut"))
        await task
        assert workers.asked.empty()
        assert workers.extension.refused == {}

    run(monkeypatch, test)


def test_a_worker_without_dflow_is_refused_with_the_reason_and_is_not_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        task = workers.extension.newcomers[PS]
        _, answer = await workers.asked.get()
        answer.set_result(ModuleNotFoundError("No module named 'dflow'"))
        await task
        found = workers.extension.dflow_devices()
        assert (found["starting"], list(found["refused"])) == ([], [PS])
        assert "No module named 'dflow'" in found["refused"][PS]
        workers.remove(PS)
        assert workers.extension.dflow_devices()["refused"] == {}

    run(monkeypatch, test)


def test_a_worker_that_is_gone_is_not_asked_again_and_not_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        task = workers.extension.newcomers[PS]
        await workers.asked.get()
        workers.remove(PS)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert workers.starting() == []

    run(monkeypatch, test)


def test_a_worker_that_comes_back_is_another_process_of_the_same_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two it is lost, then starting."""

    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        workers.join(PS, "/job:ps/task:0")
        workers.extension.dflow_ready("/job:ps/task:0")
        workers.remove(PS)
        assert [member["lost"] for member in workers.extension.dflow_devices()["members"]] == [True]
        workers.add(PS, "/job:ps/task:0")
        assert workers.starting() == [(PS, [PS_CPU])]
        workers.join(PS, "/job:ps/task:0", "second")
        workers.extension.dflow_ready("/job:ps/task:0")
        (member,) = workers.extension.dflow_devices()["members"]
        assert (member["devices"], member["incarnation"], member["lost"]) == ([PS_CPU], "second", False)

    run(monkeypatch, test)


def test_a_worker_that_comes_back_and_is_gone_before_it_is_ready_has_lost_its_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They exist all the time, so that runs are told that their worker was lost.  One that never had any has none."""

    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        workers.join(PS, "/job:ps/task:0")
        workers.extension.dflow_ready("/job:ps/task:0")
        workers.remove(PS)
        for address, name in [(PS, "/job:ps/task:0"), (WORKER, WORKER)] * 2:
            workers.add(address, name)
            workers.join(address, name, "again")
            workers.remove(address)
        assert workers.starting() == []
        (member,) = workers.extension.dflow_devices()["members"]
        assert (member["devices"], member["lost"]) == ([PS_CPU], True)

    run(monkeypatch, test)


def test_it_tells_how_long_a_worker_has_been_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(workers: Workers) -> None:
        workers.add(PS, "/job:ps/task:0")
        assert workers.extension.dflow_heard(PS) > 0
        assert workers.extension.dflow_heard(WORKER) is None

    run(monkeypatch, test)
