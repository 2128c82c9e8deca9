"""Which actors a session asks Dask for, and which it lets go."""

from types import SimpleNamespace
from typing import Any

import dflow as df
from dflow.runtime.actors import ActorKeeper

DEVICE = "/job:ps/replica:0/task:0/device:CPU:0"


class Client:
    """Stands in for Dask's."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def submit(self, *args: Any, key: str, **kwargs: Any) -> Any:
        self.keys.append(key)
        return SimpleNamespace(key=key, add_done_callback=lambda call: None)


def plan(address: str, op: df.Operation) -> Any:
    instruction = SimpleNamespace(op=SimpleNamespace(kind=op.type), attrs={"queue": op.attrs["queue"]})
    part = SimpleNamespace(segments=[SimpleNamespace(instructions=[instruction])])
    return SimpleNamespace(parts={DEVICE: part}, addresses={DEVICE: address})


def test_the_actors_of_a_lost_worker_are_let_go_when_they_are_made_anew() -> None:
    client = Client()
    keeper = ActorKeeper(client, "session")  # type: ignore[arg-type]
    private, shared = (
        df.FIFOQueue(1, ["float32"], name="q", shared_name=shared_name).dequeue().op for shared_name in (None, "q")
    )
    for number in range(3):
        for op in (private, shared):
            keeper.keep(plan(f"tcp://{number}", op))
            keeper.keep(plan(f"tcp://{number}", op))
    assert len(set(client.keys)) == len(client.keys) == 6
    assert sorted(future.key for future in keeper._futures.values()) == sorted(client.keys[-2:])
