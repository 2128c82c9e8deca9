"""What a session of this process keeps."""

import pickle
from typing import Any

import dflow as df
from dflow.runtime.session.local import LocalBackend
from tests.cluster.helpers import Background
from tests.conformance.programs import until


def test_a_session_shows_its_plans_and_waiting_steps_and_after_its_end_nothing() -> None:
    queue = df.FIFOQueue(1, ["float32"], shapes=[[]])
    take, size = queue.dequeue(), queue.size()
    with df.Session() as session:
        backend: Any = session.backend
        session.run(size)
        waiting = Background(lambda: session.run(take))
        until(lambda: backend.held().process.attempts)
        held = backend.held()
        (device,) = held.process.devices.values()
        assert held.process.sessions == device.sessions == (backend.session,)
        assert device.plans == ((backend.session, 1), (backend.session, 2))
        assert {name: count for name, count in held.process.counts().items() if count} == {
            "sessions": 1,
            "plans": 2,
            "attempts": 1,
        }
        assert pickle.loads(pickle.dumps(held)) == held
    assert isinstance(waiting.result(), df.errors.CancelledError)
    assert not any(backend.held().process.counts().values())


def test_a_loop_that_ended_is_not_kept_and_its_name_not_given_again() -> None:
    with df.Session() as session:
        x = df.constant(1.0)
        loops = [session.repeat(x, steps=1, name="same") for _ in range(3)]
        assert [loop.join(20) for loop in loops] == [1, 1, 1]
        assert len({loop.spec.name for loop in loops}) == 3
        backend = session.backend
        assert isinstance(backend, LocalBackend)
        until(lambda: not backend.held().loops)
