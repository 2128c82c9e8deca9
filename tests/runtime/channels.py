"""A channel whose other end is the test."""

import queue
from typing import Any

from dflow.runtime.base.held import HeldByChannel

PATIENCE = 20.0  # seconds: of a test that fails, never of one that passes


class TestChannel:
    """Keeps what is sent; `next` waits for it, since some of it comes from the pool."""

    __test__ = False

    def __init__(self, peer: str = "tcp://peer") -> None:
        self.peer = peer
        self.closed = False
        self.sent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.deliveries: list[Any] = []  # by their numbers

    def send(self, message: Any, then: Any = None) -> None:
        self.sent.put(message)
        if then is not None:
            then(not self.closed)

    def next(self) -> Any:
        return self.sent.get(timeout=PATIENCE)

    def add_delivery(self, delivery: Any) -> int:
        self.deliveries.append(delivery)
        return len(self.deliveries) - 1

    def wait_until_writable(self, first: Any = None) -> None: ...

    def close(self) -> None: ...

    def held(self) -> HeldByChannel:
        return HeldByChannel("TestChannel", 0 if self.closed else len(self.deliveries), messages=0, bytes=0)
