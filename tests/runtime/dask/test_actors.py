"""Which actors a session asks Dask for, and which it lets go."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import dflow as df
from dflow.runtime.dask.actors import ActorKeeper

PATIENCE = 20.0  # seconds: of a test that fails, never of one that passes
DEVICE = "/job:ps/replica:0/task:0/device:CPU:0"


class Client:
    """Stands in for Dask's."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.ends: list[Callable[[], None]] = []  # each ends a task

    def submit(self, *args: Any, key: str, **kwargs: Any) -> Any:
        self.keys.append(key)
        future = SimpleNamespace(key=key, status="lost")
        future.add_done_callback = lambda call: self.ends.append(lambda: call(future))
        return future


def plan(address: str, op: df.Operation) -> Any:
    instruction = SimpleNamespace(op=SimpleNamespace(kind=op.type), attrs={"queue": op.attrs["queue"]})
    part = SimpleNamespace(segments=[SimpleNamespace(instructions=[instruction])])
    return SimpleNamespace(parts={DEVICE: part}, addresses={DEVICE: address}, prefetch=None, pipelined=None)


def test_the_actors_of_a_lost_worker_are_let_go_when_they_are_made_anew() -> None:
    client = Client()
    keeper = ActorKeeper(client, "session", lambda address: "")  # type: ignore[arg-type]
    private, shared = (
        df.FIFOQueue(1, ["float32"], name="q", shared_name=shared_name).dequeue().op for shared_name in (None, "q")
    )
    for number in range(3):
        for op in (private, shared):
            keeper.keep(plan(f"tcp://{number}", op))
            keeper.keep(plan(f"tcp://{number}", op))
    assert len(set(client.keys)) == len(client.keys) == 6
    assert sorted(keeper.keys()) == sorted(client.keys[-2:])


def test_a_session_that_closes_waits_for_its_shared_state_to_be_kept() -> None:
    client = Client()
    keeper = ActorKeeper(client, "session", lambda address: "")  # type: ignore[arg-type]
    keeper.wait(PATIENCE)  # for nothing
    for shared_name in ("q", "r"):
        keeper.keep(plan("tcp://1", df.FIFOQueue(1, ["float32"], shared_name=shared_name).dequeue().op))
    keeper.wait(0.0)  # not longer
    waiting = threading.Thread(target=keeper.wait, args=(PATIENCE,))
    waiting.start()
    first, last = client.ends
    first()
    assert waiting.is_alive()
    last()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
