"""Feeders compute and push the partitions of a feeding: on the workers of a cluster, or in this process.

A feeder runs in the feeding's thread; `stop` may be called from any thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol

import dask
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from distributed import Client, Future

from dflow.data.push import Attempt, Push, push_partition
from dflow.errors import OpError, UnavailableError
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.dask.client import FutureCancelled, Watch, in_our_span, task_of
from dflow.runtime.step.process import Process

Parts = list[tuple[Any, ...]]  # the arguments for the rows of each partition


class Feeder(Protocol):
    """Computes and pushes partitions."""

    def run(self, finished: Callable[[int], None]) -> None:
        """Push all partitions; calls `finished(rows)` after each.  Raises the first error."""

    def stop(self, error: OpError) -> None:
        """Let `run` end with this error, and withdraw the rows that wait; nothing happens after its end."""


class LocalFeeder:
    """Computes and pushes one partition after another, in this process."""

    def __init__(self, process: Process, push: Push, parts: Parts) -> None:
        self._process = process
        self._push = push
        self._parts = parts
        self._stopped: OpError | None = None
        self._attempt: Attempt | None = None

    def run(self, finished: Callable[[int], None]) -> None:
        for number, parts in enumerate(self._parts):
            attempt = self._attempt = Attempt(self._process, self._push, number)
            if self._stopped is not None:
                raise self._stopped
            try:
                computed = dask.compute(*parts, scheduler="synchronous")
            except Exception as error:
                raise failure(self._push, number, error) from error
            finished(attempt.run(self._push.arrays(number, computed)))

    def stop(self, error: OpError) -> None:
        self._stopped = error
        if self._attempt is not None:
            self._attempt.cancel(error)


class ClusterFeeder:
    """Computes and pushes by Dask tasks, a few at a time, so that few partitions are in memory while they wait."""

    def __init__(
        self,
        client: Client,
        watch: Watch,
        push: Push,
        parts: Parts,
        collection: Any,
        most: int,
        workers: Sequence[str] | None,
    ) -> None:
        self._client = client
        self._watch = watch
        self._collection = collection  # a reference, so that the cluster keeps its data until the end
        self._most = most
        self._workers = workers  # that may compute and push; None: all
        self._push = push
        self._parts = parts
        self._ended: SimpleQueue[tuple[int, Any]] = SimpleQueue()  # (partition, the result or error of its task)

    def run(self, finished: Callable[[int], None]) -> None:
        flying: dict[int, Future[Any]] = {}
        try:
            for number in range(len(self._parts)):
                if len(flying) == self._most:
                    finished(self._next(flying))
                flying[number] = self._submit(number)
            while flying:
                finished(self._next(flying))
        finally:
            if flying:
                self._watch.cancel(list(flying.values()))
                flying.clear()  # Dask keeps the tasks as long as these futures live, which the error's traceback knows

    def stop(self, error: OpError) -> None:
        self._ended.put((-1, error))

    def _next(self, flying: dict[int, Future[Any]]) -> int:
        """Wait for the end of a partition; returns the number of its rows."""
        number, result = self._ended.get()
        flying.pop(number, None)
        if isinstance(result, int):
            return result
        raise result if isinstance(result, OpError) else failure(self._push, number, result)

    def _submit(self, number: int) -> Future[Any]:
        parts = self._parts[number]
        key = f"{self._push.label}-{number}-{uuid.uuid4().hex}"
        task = task_of(key, push_partition, self._push, number, after=[part.key for part in parts])
        culled = HighLevelGraph.merge(*[part.dask for part in parts]).cull([part.key for part in parts])
        graph = HighLevelGraph({**culled.layers, key: {key: task}}, {**culled.dependencies, key: set(culled.layers)})
        with in_our_span():
            future: Future[Any] = self._client.compute(Delayed(key, graph), optimize_graph=False, workers=self._workers)
        self._watch.when_done(future, lambda result: self._ended.put((number, result)))
        return future


def failure(push: Push, number: int, error: BaseException) -> OpError:
    """The user's error for the failure of a partition, or for a failure of Dask."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if isinstance(error, KilledWorker):
        fact = f"workers were lost again and again while they computed it: {error}"
        op_error: OpError = UnavailableError(None, None, fact)
    elif isinstance(error, (FutureCancelled, CommClosedError)):  # the scheduler, or the only worker with it, was lost
        op_error = UnavailableError(None, None, f"Dask gave it up: {error}")
    else:
        op_error = as_op_error(error)
    op_error.message = f"{push.name_of(number)} could not be computed: {op_error.message}"
    return op_error
