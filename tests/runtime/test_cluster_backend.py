"""What the client's half of a cluster session says to whom."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from dflow.runtime import cluster
from dflow.runtime import messages as m
from dflow.runtime.deadline import NEVER


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
    backend.process = SimpleNamespace(lane_to=lambda address: address, request=request)
    part = SimpleNamespace(plan=1, device="reader", segments=(), addresses={"reader": "tcp://a", "names": "tcp://b"})
    backend.install(SimpleNamespace(parts={"reader": part}, addresses={"reader": "tcp://a"}, number=1), NEVER)
    assert asked[0] == ("tcp://a", m.Install("session", "reader", 1, b"", 0))
    assert ("tcp://b", m.Ping(0)) in asked
