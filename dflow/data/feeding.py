"""Feeding a queue from a Dask collection: the function `enqueue_from`, and its handle `Feeding`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dflow import forks
from dflow.compile import DeviceTable
from dflow.data.feeders import ClusterFeeder, Feeder, LocalFeeder
from dflow.data.intake import build_intake
from dflow.data.push import Push
from dflow.data.rows import components_of
from dflow.errors import CancelledError, DTypeError, OpError, ShapeError
from dflow.graph import scopes
from dflow.ops.queues.kinds import QueueBase
from dflow.runtime.base.deadline import NEVER
from dflow.runtime.session.session import BaseSession
from dflow.train.coordinator import Coordinator

if TYPE_CHECKING:  # it brings pandas
    from dflow.data.collections import Source

IN_FLIGHT = 2  # partitions a worker: one is computed while another one waits for room in the queue

logger = logging.getLogger("dflow.data")


def enqueue_from(
    collection: Any,
    queue: QueueBase,
    columns: Any = None,
    session: BaseSession | None = None,
    coord: Coordinator | None = None,
    *,
    close: bool = True,
    workers: Sequence[str] | None = None,
) -> Feeding:
    """Feed a queue with the rows of a Dask collection; returns when the feeding has begun.

    collection: a Dask DataFrame or Series; an Array, whose rows are its slices along the first axis, or a list of
    Arrays with equal chunks there, one per component (a dict for a queue with names); or a Bag, whose items are tuples
    with a value per component, plain values for one component, or mappings.
    queue: of the session's graph.  The rows must have its dtypes and shapes: no lossy cast is made.
    columns: the columns of each component: a name, or a list of names whose columns become one vector (a dict of these
    for a queue with names).  By default one column a component, in their order, or with the names of the components.
    For a Bag of mappings, their keys.
    session: by default the default session.  On a cluster, its workers compute the partitions and push them straight
    to the queue's device.  coord: gets the first error; its stop ends the feeding.
    close: close the queue when all rows are in.  If the feeding fails or is stopped it is closed at once, and enqueues
    that wait for room are cancelled, so that nobody waits for rows that do not come.
    workers: the addresses or names of the cluster's workers that may compute and push partitions; by default, all.

    At most about two partitions for each worker of the cluster at the start are in flight, and they come in any order.
    Each row comes in once or, when something fails, not at all.
    Raises TypeError or ValueError for a collection that cannot be fed into this queue, as far as it knows its dtypes
    and shapes now.
    """
    session = _session_for(queue, session)
    components = components_of(queue.spec)
    source = _take_apart(collection, queue, columns)
    _check_futures(collection, session)
    if workers is not None:
        _check_workers(workers, session)
    session.run(queue.queue_ref)  # makes the queue, or fails at once
    intake = build_intake(queue)
    plan = session.plans.take(intake.outcome, intake.feeds, NEVER)
    backend: Any = session.backend
    push = Push(backend.session, intake.label, plan.call, source.rows, components, queue.name, len(source.parts))
    feeder: Feeder
    if session.target:
        most = IN_FLIGHT * len(workers or workers_of(backend.table()))
        feeder = ClusterFeeder(backend.client, backend.watch, push, source.parts, collection, most, workers)
    else:
        feeder = LocalFeeder(backend.process, push, source.parts)

    def end(complete: bool) -> None:
        session.plans.done(plan)
        if close and not session.closed:
            _close(session, intake.close if complete else intake.cancel)

    feeding = Feeding(intake.label, feeder, session, coord, len(source.parts), end)
    if coord is not None:
        coord.watch(session)
        coord.register_thread(feeding)
        coord.call_at_stop(feeding.stop)
    feeding.start()
    return feeding


class Feeding(threading.Thread):
    """The handle of a feeding, and the thread behind it, which runs already.

    partitions: their number.  partitions_done, rows: the number of complete partitions, and of their rows; after a stop
    the queue may have rows of other partitions too.
    error: the error that ended it, if there was one.
    `join` and `is_alive` are a thread's, as a Coordinator wants them; `result` waits and raises the error.
    """

    def __init__(
        self,
        label: str,
        feeder: Feeder,
        session: BaseSession,
        coord: Coordinator | None,
        partitions: int,
        at_end: Callable[[bool], None],
    ) -> None:
        super().__init__(name=f"dflow-{label}", daemon=True)
        self.partitions = partitions
        self.partitions_done = 0
        self.rows = 0
        self.error: BaseException | None = None
        self._label = label
        self._feeder = feeder
        self._session = session
        self._coord = coord
        self._at_end = at_end
        self._was_stopped = False
        self._ended = False
        self._home = forks.Home("this feeding", "feed in a session of the child")
        forks.in_child(self, Feeding._forked)

    def _forked(self) -> None:
        """Leave a feeding that has not ended to the parent, in a forked child."""
        if not self._ended:
            self._home.leave()

    def done(self) -> bool:
        """Whether it has ended."""
        self._home.check()
        return not self.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end, `timeout` seconds at most."""
        self._home.check()
        super().join(timeout)

    def result(self, timeout: float | None = None) -> int:
        """Wait for the end, `timeout` seconds at most; gives `rows`.

        Raises the error that ended it, unless that was a stop; TimeoutError.
        FailedPreconditionError, as from all other methods, in a forked child for a feeding of its parent.
        """
        self.join(timeout)
        if self.is_alive():
            raise TimeoutError(f"{self.name} has not ended within {timeout} s")
        if self.error is not None:
            raise self.error
        return self.rows

    def stop(self, reason: str = "the feeding was stopped") -> None:
        """End it; returns at once.  Rows that are in the queue stay there, those that wait for room are withdrawn."""
        self._home.check()
        self._was_stopped = True
        self._feeder.stop(CancelledError(None, None, reason))

    def run(self) -> None:
        """The body of the thread, which was started already."""
        complete = False
        try:
            self._feeder.run(self._finished)
            complete = True
        except BaseException as error:
            if not self._was_stopped:
                self.error = self._closed(error) if self._session.closed else error
                self._tell(self.error)  # before the queue closes, which alone would look like the end of the data
        self._at_end(complete)
        self._ended = True

    def _finished(self, rows: int) -> None:
        self.partitions_done += 1
        self.rows += rows

    def _closed(self, error: BaseException) -> OpError:
        """The error of a feeding whose session is closed, in place of any error of that session."""
        cancelled = CancelledError(None, None, f"{self._label} was cancelled: its session was closed")
        cancelled.__cause__ = error
        return cancelled

    def _tell(self, error: BaseException) -> None:
        cancelled = isinstance(error, CancelledError)
        if self._coord is not None:
            if not (cancelled and self._coord.should_stop()):
                self._coord.request_stop(error)
        elif not (cancelled and self._session.closed):
            logger.error("%s failed: %s", self._label, error)


def _session_for(queue: QueueBase, session: BaseSession | None) -> BaseSession:
    session = session if session is not None else scopes.get_default_session()
    if session is None:
        raise ValueError("there is no default session: use `with df.Session(...)`, or give session=")
    if not isinstance(session, BaseSession):
        raise TypeError(f"session must be a df.Session, got {type(session).__name__}")
    if not isinstance(queue, QueueBase) or queue.op.type == "QueueChoose":
        raise TypeError(f"expected a queue, got {queue!r}; those of QueueBase.from_list are fed one by one")
    if queue.graph is not session.graph:
        raise ValueError(f"the queue {queue.name!r} is of another graph than the session's")
    return session


def _take_apart(collection: Any, queue: QueueBase, columns: Any) -> Source:
    from dflow.data.collections import take_apart  # brings Dask's collections, which most programs do without

    try:
        return take_apart(collection, queue.spec, components_of(queue.spec), columns)
    except (DTypeError, ShapeError, ValueError) as error:
        raise type(error)(f"queue {queue.name!r}: {error}") from error


def _check_futures(collection: Any, session: BaseSession) -> None:
    """ValueError for a collection with data on another cluster, which the session's workers cannot reach."""
    from distributed import futures_of

    backend: Any = session.backend
    mine = backend.client.scheduler.address if session.target else "this process"
    for future in futures_of(list(collection.values()) if isinstance(collection, dict) else collection):
        address = future.client.scheduler.address
        if address != mine:
            raise ValueError(f"the collection is kept on the cluster {address}, but the session runs on {mine}")


def _check_workers(workers: Sequence[str], session: BaseSession) -> None:
    """ValueError for workers that the session's cluster does not have: Dask would wait for them for ever."""
    if not session.target:
        raise ValueError("a local session has no workers; leave workers= out")
    backend: Any = session.backend
    connected = backend.client.scheduler_info(n_workers=-1)["workers"]
    names = {*connected, *(str(worker["name"]) for worker in connected.values())}
    unknown = [worker for worker in workers if worker not in names]
    if unknown or not workers:
        raise ValueError(f"there are no workers {unknown}; the cluster has {', '.join(sorted(names))}")


def workers_of(table: DeviceTable) -> set[str]:
    """The addresses of workers that Dask may give tasks to, starting ones too; if all are lost, those of the lost ones.

    Dask waits for lost workers.
    """
    living = {device.address for device in table.devices if not device.lost}
    return living or {device.address for device in table.devices}


def _close(session: BaseSession, operation: Any) -> None:
    try:
        session.run_aside(operation)
    except Exception as error:  # it is closed already, or its device is gone
        logger.debug("ignored an exception of %s: %s", operation.name, error)
