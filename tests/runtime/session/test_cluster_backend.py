"""What the client's half of a cluster session says to whom."""

from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from dflow.compile import CallPlan, LoopSpec
from dflow.errors import UnavailableError
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.dask import connect
from dflow.runtime.session import cluster
from dflow.runtime.session.loop_handle import Loop
from dflow.runtime.transport import messages as m
from tests.runtime.channels import TestChannel


class FakeClient(SimpleNamespace):
    """Stands for the Dask client; no scheduler is there."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(status="running")

    def register_plugin(self, plugin: Any) -> None: ...

    def submit(self, *args: Any, **options: Any) -> None: ...


class FakeActors:
    """Stands for the keeper of Dask actors."""

    def __init__(self, *args: Any) -> None: ...

    def keep(self, plan: Any) -> None: ...

    def keys(self) -> tuple[str, ...]:
        return ()


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A backend without a scheduler; the test says what its process sends where."""
    monkeypatch.setattr(connect, "Client", FakeClient)
    monkeypatch.setattr(cluster, "ActorKeeper", FakeActors)
    monkeypatch.setattr(connect, "reach", lambda target, seconds: None)
    return cluster.ClusterBackend("tcp://127.0.0.1:8786", ConfigProto())


def test_a_plan_is_installed_when_all_that_have_to_do_with_it_know_the_session(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a process that only has a queue of file names: a reader elsewhere may ask it at once."""
    asked: list[tuple[str, Any]] = []

    def request(address: str, make: Any) -> Future[None]:
        asked.append((address, make(0)))
        reply: Future[None] = Future()
        reply.set_result(None)
        return reply

    monkeypatch.setattr(cluster, "dump_part", lambda part: b"")
    monkeypatch.setattr(backend.process, "channel_to", lambda address: address)
    monkeypatch.setattr(backend.process, "request", request)
    part = SimpleNamespace(plan=1, device="reader", segments=(), addresses={"reader": "tcp://a", "names": "tcp://b"})
    plan = SimpleNamespace(parts={"reader": part}, addresses={"reader": "tcp://a"}, number=1)
    plan.whole = lambda: [plan]
    backend.install(plan, NEVER)
    assert asked[0] == ("tcp://a", m.Install(backend.session, "reader", 1, b"", 0))
    assert ("tcp://b", m.Ping(0)) in asked


def test_a_loop_ends_with_a_process_that_only_a_part_elsewhere_has_to_do_with(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the queue of file names of a reader; the loop's own worker has no connection to that."""
    monkeypatch.setattr(cluster, "in_our_span", nullcontext)
    home, reply = TestChannel("tcp://home"), Future[None]()
    reply.set_result(None)
    monkeypatch.setattr(backend.process, "channel_to", lambda address: home)
    monkeypatch.setattr(backend.process, "request", lambda channel, make: reply)
    monkeypatch.setattr(backend.watch, "when_done", lambda future, call: None)
    monkeypatch.setattr(cluster, "on_loop", lambda client, call: Future[None]())
    addresses = {"home": "tcp://home", "reader": "tcp://reader"}
    reader = SimpleNamespace(addresses={"names": "tcp://names"})
    plan = SimpleNamespace(addresses=addresses, parts={"home": SimpleNamespace(addresses={}), "reader": reader})
    spec = LoopSpec(backend.session, "loop-1", CallPlan(1, addresses, (), {}, (), 1), "home", "loop", None, 1)
    backend.repeat(plan, Loop(spec, None, lambda error: error), NEVER)  # type: ignore[arg-type]
    assert backend.held().loops == ("loop-1",)
    backend.process.channel_closed(TestChannel("tcp://other"))
    assert home.sent.empty()
    backend.process.channel_closed(TestChannel("tcp://names"))
    stop = home.next()
    assert (stop.loop, type(stop.error)) == ("loop-1", UnavailableError)
    assert "tcp://names with names was lost, and what the loop 'loop' uses there" in stop.error.message
