"""A queue shared by threads: a pure machine, one lock, and the callers that wait for their replies.

The lock is held for a change of state and a copy of slices, never while a caller is woken.  An attempt that can be
served at once is answered before `attempt` returns; nobody polls.

Elements on their way to a receiver are a *delivery*: the reply comes with a `settle` function.  Call it with True when
the receiver has them, with False when it is gone and they must go back to the front.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dflow.errors import AbortedError, CancelledError, InvalidArgumentError
from dflow.machines.queue import Queue, make_queue
from dflow.machines.queue.queue import Reply
from dflow.runtime.base.answers import Answer, NamedAnswer, Settle, Then, Withdraw, who
from dflow.specs import QueueSpec


@dataclass(slots=True)  # not frozen: that would make it three times as slow to make one
class Waiting:
    """An attempt that a queue has not answered yet."""

    answer: Answer
    method: str
    wants: int  # elements that it wants to take at once
    since: float  # by the clock of time.monotonic
    arguments: tuple[Any, ...] = ()
    times: int = 1  # so many attempts like it may be answered together


class SharedQueue:
    """A queue that many threads use."""

    def __init__(self, spec: QueueSpec) -> None:
        self.spec = spec
        self._machine: Queue = make_queue(spec)
        self._lock = threading.Lock()
        self._waiting: dict[int, Waiting] = {}
        self._tickets = itertools.count()
        self._moved_at = time.monotonic()
        self._moved_by: tuple[str, str] | None = None  # the owner and the operation that last moved an element
        self.dropped = False  # it is in its container no more

    def attempt(self, reply: Answer, method: str, *args: Any, times: int = 1) -> Withdraw:
        """Start `enqueue`, `dequeue_many`, ...; gives what withdraws it, which is harmless once it was answered.

        times: of a dequeue.  When it is answered, up to so many are, if they need not wait: each further one is another
        argument of the answer, its value and what settles it.
        """
        takes = method.startswith("dequeue")
        with self._lock:
            ticket = next(self._tickets)
            wants = (args[0] if args else 1) if takes else 0
            self._waiting[ticket] = Waiting(reply, method, wants, time.monotonic(), args, times)
            if takes:
                replies = getattr(self._machine, method)(ticket, *args, ack=True)
            else:
                replies = getattr(self._machine, method)(ticket, *args)
            answers = self._collect(replies)
        for answer in answers:
            answer()
        return partial(self._withdraw, ticket, method)

    def _withdraw(self, ticket: int, method: str) -> None:
        with self._lock:
            answers = self._collect(self._machine.withdraw(ticket, _withdrawn(method)))
        for answer in answers:
            answer()

    def _settle(self, ticket: int, accepted: bool, then: Then | None = None) -> None:
        with self._lock:
            machine = self._machine
            answers = self._collect(machine.acknowledge(ticket) if accepted else machine.take_back(ticket))
        for answer in answers:
            answer()
        if then is not None:
            then(True)

    def _collect(self, replies: list[Reply]) -> list[Callable[[], None]]:
        """Under the lock: whom to call, with what."""
        answers: list[Callable[[], None]] = []
        for reply in replies:  # which grows
            waiting = self._waiting[reply.ticket] if reply.progress else self._waiting.pop(reply.ticket)
            if reply.error is not None:
                answers.append(partial(waiting.answer, reply.error))
                continue
            if waiting.method != "reserve_room":
                self._moved_at = time.monotonic()
                # Not the answer itself: that would keep its step alive.
                self._moved_by = _name(waiting.answer) or self._moved_by
            if reply.progress:
                answers.append(waiting.arguments[0].progress)
            elif reply.value is None or waiting.method == "enqueue_reserved":  # nothing can go back
                answers.append(partial(waiting.answer, reply.value))
            else:
                more = self._take_more(waiting, replies) if waiting.times > 1 else ()
                answers.append(partial(waiting.answer, reply.value, partial(self._settle, reply.ticket), *more))
        return answers

    def _take_more(self, like: Waiting, replies: list[Reply]) -> list[tuple[Any, Settle]]:
        """Under the lock: what further dequeues give at once, and what settles it.  They add what they set off."""
        found: list[tuple[Any, Settle]] = []
        while len(found) + 1 < like.times and self._machine.size >= like.wants:
            ticket = next(self._tickets)
            given = getattr(self._machine, like.method)(ticket, *like.arguments, ack=True)
            given += self._machine.withdraw(ticket, _withdrawn(like.method))  # if it would wait
            replies += [reply for reply in given if reply.ticket != ticket]
            value = next(reply.value for reply in given if reply.ticket == ticket)
            if value is None:
                break
            found.append((value, partial(self._settle, ticket)))
        return found

    def abort(self, reason: str) -> None:
        """The queue was reset: every attempt, waiting or later, ends with AbortedError."""
        self.dropped = True
        with self._lock:
            answers = self._collect(self._machine.abort(AbortedError(None, None, reason)))
        for answer in answers:
            answer()

    @property
    def size(self) -> int:
        with self._lock:
            return self._machine.size

    @property
    def closed(self) -> bool:
        with self._lock:
            return self._machine.closed

    def row(self) -> dict[str, Any]:
        """What the dashboard and a report of a stall show."""
        now = time.monotonic()
        with self._lock:
            counts = self._machine.counts()
            waiting = list(self._waiting.values())
            idle_s, moved_by = now - self._moved_at, self._moved_by
        return {
            "name": self.spec.name,
            "container": self.spec.container,
            "kind": self.spec.kind,
            "size": counts.size,
            "capacity": counts.capacity,
            "enqueued": counts.enqueued,
            "dequeued": counts.dequeued,
            "gathered": counts.gathered,
            "waiting_enqueues": counts.waiting_enqueues,
            "waiting_dequeues": counts.waiting_dequeues,
            "closed": counts.closed,
            "idle_s": idle_s,
            "moved_by": "" if moved_by is None else who(*moved_by),
            "waiting": [
                {
                    "who": _who(w.answer),
                    "what": _WORDS.get(w.method, w.method),
                    "wants": w.wants,
                    "since_s": now - w.since,
                }
                for w in waiting[:20]
            ],
        }


_WORDS = dict.fromkeys(("reserve_room", "bulk_enqueue"), "enqueue")  # what a method is for the user


def _withdrawn(method: str) -> CancelledError:
    kind = "Dequeue" if method.startswith("dequeue") else "Close" if method == "close" else "Enqueue"
    return CancelledError(None, None, f"{kind} operation was cancelled")


def _who(answer: Answer) -> str:
    name = _name(answer)
    return "a reader that needs a file name" if name is None else who(*name)


def _name(answer: Answer) -> tuple[str, str] | None:
    """The owner and the operation of an answer that has a name."""
    return (answer.owner, answer.op) if isinstance(answer, NamedAnswer) and answer.owner else None


def same_queue(there: QueueSpec, asked: QueueSpec) -> None:
    """InvalidArgumentError, which shows both, if two specs of one name do not describe one queue."""
    differences = []
    if there.kind != asked.kind:
        differences.append(f"it has type {there.kind}, expected {asked.kind}")
    if there.capacity != asked.capacity:
        differences.append(f"it has capacity {there.capacity}, expected {asked.capacity}")
    if there.dtypes != asked.dtypes:
        differences.append(f"it has component types {_names(there.dtypes)}, expected {_names(asked.dtypes)}")
    if not _same_shapes(there, asked):
        differences.append(f"it has component shapes {_names(there.shapes)}, expected {_names(asked.shapes)}")
    if there.min_after_dequeue != asked.min_after_dequeue:
        differences.append(f"it has min_after_dequeue {there.min_after_dequeue}, expected {asked.min_after_dequeue}")
    if there.seed != asked.seed and asked.seed != (0, 0):
        differences.append(f"it has random seeds {there.seed}, expected {asked.seed}")
    if differences:
        raise InvalidArgumentError(None, None, f"Shared queue '{asked.name}': {'; '.join(differences)}")


def _same_shapes(there: QueueSpec, asked: QueueSpec) -> bool:
    """Equal; of queues that pad: compatible."""
    if there.kind != "PaddingFIFOQueue" or there.shapes is None or asked.shapes is None:
        return there.shapes == asked.shapes
    return len(there.shapes) == len(asked.shapes) and all(
        a.is_compatible_with(b) for a, b in zip(there.shapes, asked.shapes, strict=True)
    )


def _names(items: Any) -> str:
    return "none" if items is None else "[" + ", ".join(str(item) for item in items) + "]"
