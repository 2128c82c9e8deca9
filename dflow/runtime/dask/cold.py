"""Cold runs: the first run of a plan on a cluster, as a Dask task graph with one task for each segment.

Each task is annotated with the resource of its device, so that Dask's scheduler places it on the worker of the device.
There it calls the device executor.  Its key begins with names of the user's operations, so that the Dask dashboard
reads like the program.

A cold run is a hot run at Dask's pace.  The parts of the step are the same, tensors go over the same channels, and
elements of queues are acknowledged in the same way.  The one difference: a segment that has its tensors waits for its
task (`PacedPart`).  The tasks return no values: the end of a task only lets the tasks after it start.

**A segment runs at most once.**  Dask starts a task again when its worker dies.  So the owner announces a step to its
devices before it sends the graph, and a device runs each segment of an announced step once.  A restarted worker does
not know the step and refuses the task.  A living worker remembers the segments that it ran.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from distributed import Client, Future, secede

from dflow.compile import CallPlan, Plan, Segment
from dflow.errors import CancelledError, DeadlineExceededError, OpError, OutOfRangeError, UnavailableError
from dflow.runtime.base.deadline import Deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.ids import StepId
from dflow.runtime.dask.client import FutureCancelled, Watch, in_our_span, is_connected, task_of
from dflow.runtime.dask.unbegun import Unbegun, unbegun
from dflow.runtime.dask.worker import SHARE, current_plugin
from dflow.runtime.device.paced_part import PacedPart
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.calls import answered

# Planned ends of a step, which are no errors of its tasks.
QUIET_ENDS = (OutOfRangeError, CancelledError, DeadlineExceededError)

# -- on the worker


def run_segment(device: str, owner: str, number: int, index: int, *upstream: None) -> None:
    """The Dask task of a segment.  upstream: the results of the tasks before it, which are None.

    If the step has ended, this is no error of the task: the owner knows of the end, and an exception would write a
    traceback to the worker's log.
    """
    plugin = current_plugin()
    executor, step = plugin.process.executors.get(device), (owner, number)
    if executor is not None and executor.has_ended(step):
        return
    part = None if executor is None else executor.part(step)
    if not isinstance(part, PacedPart):
        label = str(plugin.current_key()).rpartition("-")[0]
        fact = f"{label!r} cannot run on {device}, which does not know step {number} of {owner} (any more): "
        raise UnavailableError(None, None, f"{fact}its worker was lost, or the step or its session has ended")
    with plugin.task(part.cancel) as task:
        part.run_segment(index, before_wait=secede)
        return
    if not isinstance(task.failure, QUIET_ENDS):
        raise task.failure


# -- in the client


class ColdStep(Step):
    """One cold run, as its owner sees it."""

    def __init__(
        self, process: Process, session: str, plan: Plan, numbers: StepNumbers, client: Client, watch: Watch
    ) -> None:
        super().__init__(process, session, plan.call, numbers)
        self._plan = plan
        self._client = client
        self._watch = watch
        self._futures: list[Future[Any]] = []  # of the last tasks, which no other task needs
        self._forget: list[Callable[[], None]] = []  # functions that end the watch over them
        self._keys: list[str] = []  # of all tasks

    def _start(self, fed: dict[int, Any]) -> None:
        self.values.update(fed)
        self._open = self.call.reports
        self._announce(self.call, fed)
        graph, keys = task_graph(self._plan, self.id)
        self._keys = keys
        ends = sorted(self._plan.ends)
        with in_our_span():
            self._futures = self._client.get(graph, [keys[i] for i in ends], sync=False)
        for index, future in zip(ends, self._futures, strict=True):
            self._forget.append(self._watch.when_done(future, partial(self._ended, index)))

    def _ended(self, index: int, outcome: BaseException | None) -> None:
        """Cancel the step if a task was lost.  In all other cases, the parts report over their channels."""
        segment = self._plan.segments[index]
        if isinstance(outcome, FutureCancelled) and not is_connected(self._client):
            self.cancel(UnavailableError(None, None, f"the scheduler was lost, and {segment.label!r} with it"))
        elif outcome is not None:
            self.cancel(_step_error(outcome, segment))

    def _announce(self, call: CallPlan, fed: dict[int, Any]) -> None:
        requests = []
        for device, address in call.addresses.items():
            channel = self.process.channel_to(address)
            self._channels.setdefault(channel, []).append(device)
            feeds = [(edge, fed[edge]) for edge in call.feeds_of[device]]
            make = partial(m.Announce, self.session, device, call.number, self.id, self.low_water, feeds)
            requests.append((channel, device, self.process.request(channel, make)))
        for channel, device, reply in requests:
            answered(channel, reply, f"take its part of the first run of plan {call.number} on {device}", self.deadline)

    def _wait(self) -> None:
        super()._wait()
        for forget in self._forget:  # the step is done: the watch would only request each result
            forget()

    def _late(self, answers: Deadline) -> OpError:
        error = super()._late(answers)
        error.message = "\n".join([error.message, *self._unbegun()])
        return error

    def _make_silence(self, waited_s: float) -> Unbegun:
        return Unbegun(self.process.ask_queue_rows, self._channels, waited_s, self._unbegun)

    def _unbegun(self) -> list[str]:
        return unbegun(self._client, [str(future.key) for future in self._futures], self._keys)

    def _let_go(self) -> None:
        """Drop the tasks, too: they must not live as long as the traceback of this run's error."""
        super()._let_go()
        self._futures = []

    def _cancel_parts(self, error: BaseException) -> None:
        super()._cancel_parts(error)
        # Only the last tasks are cancelled: Dask's scheduler drops a client that cancels a task with dependents that no
        # client requested.  The tasks before them are of no use then, and end with them or with their part.
        if self._futures:
            self._watch.cancel(self._futures)


def task_graph(plan: Plan, step: StepId) -> tuple[HighLevelGraph, list[str]]:
    """The graph with one annotated Dask task for each segment, and their keys, which read like the user's program.

    Each task is a layer of its own.  `delayed` would copy all layers before it.
    """
    keys = [f"{segment.label}-{uuid.uuid4().hex}" for segment in plan.segments]
    sources = {edge: key for segment, key in zip(plan.segments, keys, strict=True) for edge in segment.gives}
    layers, before = {}, {}
    for segment, key in zip(plan.segments, keys, strict=True):
        upstream = list(dict.fromkeys(sources[edge] for edge in segment.needs if edge in sources))
        task = task_of(key, run_segment, segment.device, *step, segment.index, after=upstream)
        layers[key] = MaterializedLayer({key: task}, annotations={"resources": {segment.device: SHARE}})
        before[key] = set(upstream)
    return HighLevelGraph(layers, before), keys


def _step_error(error: BaseException, segment: Segment) -> OpError:
    """The exception of a segment's task as an OpError.  An exception of Dask itself means that a worker was lost."""
    if isinstance(error, OpError):
        return error
    if isinstance(error, FutureCancelled):
        return CancelledError(None, None, f"Dask cancelled {segment.label!r} on {segment.device}: {error}")
    if type(error).__module__.startswith("distributed"):
        fact = f"{segment.label!r} on {segment.device}, or what it needs, was lost with a worker: {error}"
        return UnavailableError(None, None, fact)
    return as_op_error(error)
