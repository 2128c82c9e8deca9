"""Says which Dask tasks of a first run, or of a loop that starts, no thread of their worker has begun.

Why: such a task waits in silence while the user's other tasks have all of a worker's threads, perhaps for ever if one
of them waits for the run.  The error at the deadline of a first run, and the log of both, name the task and its worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from dflow.runtime.base import timeouts
from dflow.runtime.dask.client import on_loop, scheduler_call
from dflow.runtime.transport.channel import Channel
from dflow.runtime.transport.silence import Silence

logger = logging.getLogger("dflow.cluster")


def unbegun(client: Any, last: Collection[str], tasks: Collection[str]) -> list[str]:
    """A line for each of these tasks that Dask has given to a worker, and that no thread there has begun.

    last: those that no other task needs, which the client holds.  [] if nobody answers soon: this only adds to what is
    reported.
    """
    try:
        lines: list[str] = on_loop(client, partial(_unbegun, client, last, tasks)).result(timeouts.UNBEGUN_ANSWER)
    except Exception:  # a report must not be worse than what it reports
        return []
    return lines


async def _unbegun(client: Any, last: Collection[str], tasks: Collection[str]) -> list[str]:
    states = await scheduler_call(client, "get_task_status")(keys=list(last))
    known = [key for key, state in states.items() if state is not None]  # `call_stack` fails for the others
    # What runs first: a task that is given to a worker afterwards has not begun, and one that has ended is not there.
    stacks = await scheduler_call(client, "call_stack")(keys=known)
    given = await scheduler_call(client, "processing")()
    begun = {task for running in stacks.values() for task in running}
    return [
        _line(worker, task, [other for other in there if other not in tasks])
        for worker, there in given.items()
        for task in there
        if task in tasks and task not in begun
    ]


def _line(worker: str, task: str, others: Sequence[Any]) -> str:
    beside = f"{len(others)} others, such as {others[0]!r}, are there" if others else "no other is there"
    return f"worker {worker} has not begun the Dask task {task!r}; {beside}"


class Unbegun(Silence):
    """Names also, once, the tasks of a first run that have not begun.  ask: gives the lines of `unbegun`."""

    def __init__(
        self,
        rows: Callable[[Channel], Future[Any]],
        channels: Mapping[Channel, Sequence[str]],
        waited_s: float,
        ask: Callable[[], list[str]],
    ) -> None:
        super().__init__(rows, channels, waited_s)
        self._ask_tasks = ask
        self._told = False

    def look(self) -> None:
        answered = bool(self._asked)
        super().look()
        if not self._told and (answered or self.pause() is None):  # the processes had their time, or there are none
            self._told = True
            for line in self._ask_tasks():
                logger.warning("%s; a first run waits until it begins", line)


async def tell_of_unbegun(client: Any, task: str, what: str) -> None:
    """Say in the log that the task of a loop has not begun, after a while; to be cancelled when the loop ends."""
    await asyncio.sleep(timeouts.LOG_SLOW_AFTER)
    for line in await _unbegun(client, [task], [task]):
        logger.warning("%s; %s waits until it begins", line, what)
