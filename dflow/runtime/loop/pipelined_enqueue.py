"""The sink of a loop that pipelines its enqueues: an iteration computes while earlier elements are on their way.

The elements go into room that the queue, in another process, reserves for the loop (`reserved_room.py`): room for the
elements that the loop makes in `WINDOW_S`.  An element without reserved room waits for it, as an enqueue does, and the
loop waits with it.  A slow loop reserves no room: it enqueues, and waits for the answer.

benchmarks/queue_between_processes.py shows the gain: with pipelined enqueues, three times as many items of 8 bytes a
second go from one worker to another, one by one.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Any

import numpy as np

from dflow.compile import PipelinedEnqueue
from dflow.errors import OpError
from dflow.machines.queue.checks import ComponentCheck
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.transfers import to_host
from dflow.runtime.loop.prefetch import MOST, iterations_in_window
from dflow.runtime.loop.reserved_room import ReservedRoom, Rows
from dflow.runtime.loop.stage import Stage
from dflow.runtime.step.process import Process

SLOW_S = 0.02  # seconds; a loop with longer iterations reserves no room, as others could not use it for so long


class Sink(Stage):
    """The sink of a loop without pipelined enqueues.  Enqueues, if there are any, are part of its body."""

    def put(self, values: list[Any]) -> list[Any]:
        """Take the values of an iteration.  Returns the values of the user's fetches."""
        return values


class PipelinedSink(Sink):
    """The sink of a loop that pipelines its enqueues."""

    def __init__(self, process: Process, session: str, owner: str, enqueue: PipelinedEnqueue) -> None:
        self._enqueue = enqueue
        self._check = ComponentCheck(enqueue.queue)
        device = enqueue.op.device
        call_queue = partial(process.call_queue, session, device, enqueue.address, enqueue.queue)
        self._room = ReservedRoom(owner, enqueue.op, call_queue, before_wait=lambda: self.before_wait())
        self._by_itself = 0  # so many next iterations enqueue and wait for the answer
        self._put_at = monotonic()
        self._window = 1  # iterations

    @property
    def waited_s(self) -> float:  # type: ignore[override]
        return self._room.waited_s

    def put(self, values: list[Any]) -> list[Any]:
        """Put the element, or the elements, of an iteration.

        Returns when they are in the queue, or have reserved room.  Raises the error of this or of an earlier enqueue.
        """
        components = self._components(values)
        self._measure()
        self._room.look()
        count = len(components[0]) if self._enqueue.many else 1
        if count and self._finds_room(count):
            batch = components if self._enqueue.many else tuple(component[np.newaxis] for component in components)
            self._room.put(Rows(count, batch))
        else:
            self._room.release()
            self._room.attempt("enqueue_many" if self._enqueue.many else "enqueue", components)
        self._put_at = monotonic()
        return values[: self._enqueue.fetches]

    def stop(self, error: OpError) -> None:
        self._room.stop(error)

    def release(self) -> None:
        self._room.release()

    def close(self, failed: bool) -> None:
        try:
            self._room.drain()
        except OpError:
            if not failed:
                raise
        finally:
            self._room.close()

    def _components(self, values: list[Any]) -> tuple[Any, ...]:
        enqueue = self._enqueue
        components = tuple(
            np.asarray(constant if place is None else to_host(values[place])) for place, constant in enqueue.components
        )
        error = self._check.batch(components) if enqueue.many else self._check.element(components)
        if error is not None:
            raise as_op_error(error, enqueue.op)
        return components

    def _measure(self) -> None:
        """Choose the window by the duration of the last iteration."""
        seconds = monotonic() - self._put_at
        self._window = 1 if seconds > SLOW_S else max(2, iterations_in_window(seconds))

    def _finds_room(self, count: int) -> bool:
        """Whether `count` elements of an iteration have reserved room; waits until there is some room."""
        if self._by_itself or self._window == 1:
            self._by_itself = max(0, self._by_itself - 1)
            return False
        room = self._room.wait(count * self._window, count)
        if room < count:
            self._by_itself = MOST  # no room for so many elements at once: the queue is small, or full most of the time
        return room >= count
