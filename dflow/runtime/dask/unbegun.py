"""Reports of the Dask tasks of a first run, or of a starting loop, that no thread of their worker has begun.

The log names such a task and its worker, and so does the error at the deadline of a first run.

Why: the task waits without a sign while the user's other tasks have all threads of its worker.  It waits for ever if
one of them waits for the run.
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
    """A line for each of these tasks that Dask has assigned to a worker, and that no thread there has begun.

    last: the keys of the tasks that no other task needs, which the client holds.
    [] if the answers do not come soon, as the lines only add details to another report.
    """
    try:
        lines: list[str] = on_loop(client, partial(_unbegun, client, last, tasks)).result(timeouts.UNBEGUN_ANSWER)
    except Exception:  # a failed report must not hide another error
        return []
    return lines


async def _unbegun(client: Any, last: Collection[str], tasks: Collection[str]) -> list[str]:
    states = await scheduler_call(client, "get_task_status")(keys=list(last))
    existing = [key for key, state in states.items() if state is not None]  # `call_stack` fails for others
    # The running tasks come first.  A task that is assigned to a worker afterwards has not begun, and a task that has
    # ended is not assigned any more.
    stacks = await scheduler_call(client, "call_stack")(keys=existing)
    assigned = await scheduler_call(client, "processing")()
    begun = {task for running in stacks.values() for task in running}
    return [
        _line(worker, task, [key for key in keys if key not in tasks])
        for worker, keys in assigned.items()
        for task in keys
        if task in tasks and task not in begun
    ]


def _line(worker: str, task: str, user_tasks: Sequence[Any]) -> str:
    beside = f"{len(user_tasks)} others, such as {user_tasks[0]!r}, are there" if user_tasks else "no other is there"
    return f"worker {worker} has not begun the Dask task {task!r}; {beside}"


class Unbegun(Silence):
    """A `Silence` that also logs, once, the tasks of a first run that have not begun.

    ask: returns the lines of `unbegun`.
    """

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
        if not self._told and (answered or self.pause() is None):  # after the processes, if there are any
            self._told = True
            for line in self._ask_tasks():
                logger.warning("%s; a first run waits until it begins", line)


async def tell_of_unbegun(client: Any, task: str, what: str) -> None:
    """Log after a while that the task of a loop has not begun.  Cancel this when the loop ends.

    what: the loop, in words.
    """
    await asyncio.sleep(timeouts.LOG_SLOW_AFTER)
    for line in await _unbegun(client, [task], [task]):
        logger.warning("%s; %s waits until it begins", line, what)
