"""What the client's half of a cluster session says to whom."""

from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from dflow.compile import CallPlan, LoopSpec
from dflow.errors import UnavailableError
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.session import cluster
from dflow.runtime.session.loop_handle import Loop
from dflow.runtime.transport import messages as m
from tests.runtime.channels import TestChannel


def test_a_plan_is_installed_when_all_that_have_to_do_with_it_know_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also a process that only has a queue of file names: a reader elsewhere may ask it at once."""
    asked: list[tuple[str, Any]] = []

    def request(address: str, make: Any) -> Future[None]:
        asked.append((address, make(0)))
        reply: Future[None] = Future()
        reply.set_result(None)
        return reply

    monkeypatch.setattr(cluster, "dump_part", lambda part: b"")
    backend: Any = object.__new__(cluster.ClusterBackend)
    backend.session = "session"
    backend.process = SimpleNamespace(channel_to=lambda address: address, request=request)
    part = SimpleNamespace(plan=1, device="reader", segments=(), addresses={"reader": "tcp://a", "names": "tcp://b"})
    backend.install(SimpleNamespace(parts={"reader": part}, addresses={"reader": "tcp://a"}, number=1), NEVER)
    assert asked[0] == ("tcp://a", m.Install("session", "reader", 1, b"", 0))
    assert ("tcp://b", m.Ping(0)) in asked


def test_a_loop_ends_with_a_process_that_only_a_part_elsewhere_has_to_do_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the queue of file names of a reader; the loop's own worker has no connection to that."""
    monkeypatch.setattr(cluster, "in_our_span", nullcontext)
    home, reply = TestChannel("tcp://home"), Future[None]()
    reply.set_result(None)
    backend: Any = object.__new__(cluster.ClusterBackend)
    backend.session, backend._closed, backend._loops = "session", False, {}
    backend._actors = SimpleNamespace(keep=lambda plan: None)
    backend._known = SimpleNamespace(channel_closed=lambda address: None)
    backend.process = SimpleNamespace(
        channel_to=lambda address: home, request=lambda channel, make: reply, closing=None
    )
    monkeypatch.setattr(cluster, "on_loop", lambda client, call: Future[None]())
    backend.client = SimpleNamespace(submit=lambda *args, **options: None)
    backend.watch = SimpleNamespace(when_done=lambda future, call: None)
    addresses = {"home": "tcp://home", "reader": "tcp://reader"}
    reader = SimpleNamespace(addresses={"names": "tcp://names"})
    plan = SimpleNamespace(addresses=addresses, parts={"home": SimpleNamespace(addresses={}), "reader": reader})
    spec = LoopSpec("session", "loop-1", CallPlan(1, addresses, (), {}, (), 1), "home", "loop", None, 1)
    backend.repeat(plan, Loop(spec, None, lambda error: error), NEVER)  # type: ignore[arg-type]
    backend._channel_closed(TestChannel("tcp://other"))
    assert home.sent.empty()
    backend._channel_closed(TestChannel("tcp://names"))
    stop = home.next()
    assert (stop.loop, type(stop.error)) == ("loop-1", UnavailableError)
    assert "tcp://names with names was lost, and what the loop 'loop' uses there" in stop.error.message
