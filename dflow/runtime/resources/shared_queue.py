"""A queue shared by threads: a pure machine behind one lock, and the attempts that wait for their answers.

The lock is held for a change of state and a copy of slices, never while a caller is woken.  An attempt that can be
served at once is answered before `attempt` returns.  Nothing polls.

Elements on their way to a receiver are a *delivery*: the answer comes with a `settle` function.  Call it with True when
the receiver has them, and with False when it is gone: then they go back to the front.

A `Reply` is the machine's; it has a ticket.  An answer is the call of the attempt that has this ticket.
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


@dataclass(slots=True)  # not frozen: to make a frozen one takes three times as long
class Waiting:
    """An attempt that a queue has not answered yet."""

    answer: Answer
    method: str
    wants: int  # elements that it takes at once; 0 of an enqueue or close
    since: float  # by the clock of time.monotonic
    arguments: tuple[Any, ...] = ()
    times: int = 1  # attempts like it, itself included, that may be answered together


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
        self.detached = False  # it is no longer in its container

    def attempt(self, reply: Answer, method: str, *args: Any, times: int = 1) -> Withdraw:
        """Start `enqueue`, `dequeue_many`, ...; returns the function that withdraws it, harmless after the answer.

        times: of a dequeue: up to so many like it are answered together, if the others need not wait.  Each further one
        is another argument of the answer: its value and the function that settles its delivery.
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
        """Under the lock: the calls of the attempts that have a reply."""
        answers: list[Callable[[], None]] = []
        for reply in replies:  # the list grows meanwhile
            waiting = self._waiting[reply.ticket] if reply.progress else self._waiting.pop(reply.ticket)
            if reply.error is not None:
                answers.append(partial(waiting.answer, reply.error))
                continue
            if waiting.method != "reserve_room":
                self._moved_at = time.monotonic()
                # Not the answer itself, which would keep its step alive.
                self._moved_by = _name(waiting.answer) or self._moved_by
            if reply.progress:
                answers.append(waiting.arguments[0].progress)
            elif reply.value is None or waiting.method == "enqueue_reserved":  # no elements that can go back
                answers.append(partial(waiting.answer, reply.value))
            else:
                further = self._dequeue_further(waiting, replies) if waiting.times > 1 else ()
                answers.append(partial(waiting.answer, reply.value, partial(self._settle, reply.ticket), *further))
        return answers

    def _dequeue_further(self, like: Waiting, replies: list[Reply]) -> list[tuple[Any, Settle]]:
        """Under the lock: dequeue more, if this need not wait.  The values, each with the function that settles it.

        Adds the replies of other attempts to `replies`.
        """
        outcomes: list[tuple[Any, Settle]] = []
        while len(outcomes) + 1 < like.times and self._machine.size >= like.wants:
            ticket = next(self._tickets)
            new = getattr(self._machine, like.method)(ticket, *like.arguments, ack=True)
            new += self._machine.withdraw(ticket, _withdrawn(like.method))  # if it would wait
            replies += [reply for reply in new if reply.ticket != ticket]
            value = next(reply.value for reply in new if reply.ticket == ticket)
            if value is None:
                break
            outcomes.append((value, partial(self._settle, ticket)))
        return outcomes

    def abort(self, reason: str) -> None:
        """End every attempt, waiting or later, with AbortedError: the queue was reset."""
        self.detached = True
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
        """The row of the queue on the dashboard and in the report of a stall."""
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


_WORDS = dict.fromkeys(("reserve_room", "bulk_enqueue"), "enqueue")  # the user's names of methods


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
    """InvalidArgumentError, which shows the differences, if two specs of one name do not describe one queue.

    there: of the queue that exists.  asked: of the operation that uses it.
    """
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
    """Whether the shapes are equal; of queues that pad, whether they are compatible."""
    if there.kind != "PaddingFIFOQueue" or there.shapes is None or asked.shapes is None:
        return there.shapes == asked.shapes
    return len(there.shapes) == len(asked.shapes) and all(
        a.is_compatible_with(b) for a, b in zip(there.shapes, asked.shapes, strict=True)
    )


def _names(items: Any) -> str:
    return "none" if items is None else "[" + ", ".join(str(item) for item in items) + "]"
