"""A cold run: the first run of a plan, as a Dask task graph of one task a segment.

Each task is annotated with the resource of its device, so that Dask's scheduler, and nothing else, puts it on the right
worker; there it calls the device's host.  Its key starts with the user's operation names, so that the Dask dashboard
reads like the program.

**A segment runs at most once.**  Dask starts a task again when its worker dies, and computes finished results again
that were lost with it.  So the owner announces a step to its hosts over its lanes before the graph is sent, and a host
runs each segment of an announced step once: a restarted worker knows nothing of the step and refuses, and a living one
remembers what it ran.

**What is fetched goes over the lane**, as in a hot run: Dask brings values from segment to segment, and the news of
what failed.  To ask its scheduler for a result would take as long as the task.

**No element is lost on the way, and none comes twice.**  What a queue hands to a cold segment stays lent until the
owner has it, or the host of a device that uses it says that it is there, or the owner says that the step ended well; if
the step ends otherwise before, it goes back.  A run whose elements go to other devices, and not to the owner itself,
returns when the devices know that it ended well: nobody has seen its values before.  It waits for that a moment beyond
a deadline or a cancellation, since the elements would be gone with it.
"""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future as ConcurrentFuture
from functools import partial
from typing import Any

from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from distributed import Client, Future

from dflow.compile import CallPlan, Plan, Segment
from dflow.errors import CancelledError, DeadlineExceededError, OpError, OutOfRangeError, UnavailableError
from dflow.runtime.base import timeouts
from dflow.runtime.base.deadline import Deadline
from dflow.runtime.base.failures import as_op_error
from dflow.runtime.base.ids import StepId
from dflow.runtime.dask.client import FutureCancelled, Watch, in_our_span, is_connected, task_of
from dflow.runtime.dask.unbegun import Unbegun, unbegun
from dflow.runtime.dask.worker import SHARE, current_plugin
from dflow.runtime.device.cold_part import ColdPart, SegmentResult
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import LATE, Step, StepNumbers
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.calls import answered

# What a step may end with by intent.  Such an end is a result of its task, and passed on by the tasks after it: an
# exception would be a traceback in the worker's log.
QUIET_ENDS = (OutOfRangeError, CancelledError, DeadlineExceededError)

# -- on the worker


def run_segment(
    device: str, owner: str, number: int, index: int, picks: Sequence[int], *upstream: SegmentResult
) -> SegmentResult:
    """The Dask task of a segment."""
    plugin = current_plugin()
    for result in upstream:
        if result.end is not None:
            return SegmentResult({}, end=result.end)
    host = plugin.process.hosts.get(device)
    part = host.part((owner, number)) if host is not None else None
    if not isinstance(part, ColdPart):
        label = str(plugin.current_key()).rpartition("-")[0]
        fact = f"{label!r} cannot run on {device}, which does not know step {number} of {owner} (any more): "
        raise UnavailableError(None, None, f"{fact}its worker was lost, or the step or its session has ended")
    with plugin.task(part.cancel) as task:
        values = {edge: value for result in upstream for edge, value in result.values.items() if edge in picks}
        return part.run_segment(index, values)
    if not isinstance(task.failure, QUIET_ENDS):
        raise task.failure
    part.fail(task.failure)  # tells the owner now: the tasks that it asks for may wait for others
    return SegmentResult({}, end=task.failure)


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
        self._futures: list[Future[Any]] = []  # held: Dask lets go of a task that nobody holds the future of
        self._last: list[Future[Any]] = []  # those that no other task needs
        self._forget: list[Callable[[], None]] = []  # not to hear of their ends
        self._keys: list[str] = []  # of all tasks
        self._unconfirmed: BaseException | None = None  # why a device does not know that the step ended well

    def _start(self, fed: dict[int, Any]) -> None:
        self.values.update(fed)
        self._announce(self.call, fed)
        graph, keys = task_graph(self._plan, self.id)
        self._keys = keys
        wanted = self._plan.sinks
        with in_our_span():
            futures = self._client.get(graph, [keys[i] for i in wanted], sync=False)
        self._futures = futures
        ends = self._plan.ends
        self._last = [future for index, future in zip(wanted, futures, strict=True) if index in ends]
        self._open = len(wanted)
        for index, future in zip(wanted, futures, strict=True):
            self._forget.append(self._watch.when_done(future, partial(self._ended, index)))

    def _ended(self, index: int, found: SegmentResult | BaseException) -> None:
        """A task ended.  What it fetched comes over its lane; here it is seen if it failed, or was lost."""
        segment = self._plan.segments[index]
        if isinstance(found, FutureCancelled) and not is_connected(self._client):
            self.cancel(UnavailableError(None, None, f"the scheduler was lost, and {segment.label!r} with it"))
        elif isinstance(found, BaseException):
            self.cancel(_step_error(found, segment))
        elif found.end is not None:
            self.cancel(found.end)

    def _announce(self, call: CallPlan, fed: dict[int, Any]) -> None:
        asked = []
        for device, address in call.addresses.items():
            lane = self.process.lane_to(address)
            self._lanes.setdefault(lane, []).append(device)
            feeds = [(edge, fed[edge]) for edge in call.feeds_of[device]]
            make = partial(m.Announce, self.session, device, call.number, self.id, self.floor, feeds)
            asked.append((lane, device, self.process.request(lane, make)))
        for lane, device, reply in asked:
            answered(lane, reply, f"take its part of the first run of plan {call.number} on {device}", self.deadline)

    def _wait(self) -> None:
        super()._wait()
        for forget in self._forget:  # all is there: Dask's own news would only be another request for each result
            forget()
        asked = [
            self.process.request(lane, partial(m.EndStep, self.id, device))
            for lane, devices in self._lanes.items()
            for device in devices
        ]
        if lends_to_devices_alone(self._plan):
            self._open = len(asked)
            for reply in asked:
                reply.add_done_callback(self._confirmed)
            self._wait_for_confirmations()

    def _wait_for_confirmations(self) -> None:
        """Wait until all devices know that the step ended well; beyond a deadline or an end by others, for a moment."""
        deadline = self.deadline
        while self._open and self._unconfirmed is None:
            if self.deadline is deadline and (self.error is not None or deadline.left() == 0.0):
                self.deadline = Deadline(timeouts.STOP_GRACE)
            try:
                self._next()()
            except queue.Empty:
                if self.deadline is not deadline:
                    break
        self.deadline = deadline
        if self._open:
            raise self._unconfirmed or self.error or self._late(Deadline(timeouts.STALL_ANSWER))

    def _late(self, answers: Deadline) -> OpError:
        error = super()._late(answers)
        error.message = "\n".join([error.message, *self._unbegun()])
        return error

    def _withdraw_late(self) -> None:
        """Nothing is asked of the parts here, see `_came_after_all`."""
        self._withdraw(self.deadline.error(LATE))

    def _came_after_all(self, answers: Deadline) -> bool:
        """No: what a part lent to others, and has not heard of, went back when it was told that the step is late."""
        return False

    def _make_silence(self, waited_s: float) -> Unbegun:
        return Unbegun(self.process.ask_queue_rows, self._lanes, waited_s, self._unbegun)

    def _unbegun(self) -> list[str]:
        return unbegun(self._client, [str(future.key) for future in self._futures], self._keys)

    def _confirmed(self, reply: ConcurrentFuture[Any]) -> None:
        """A device knows that the step ended well, or will never know."""
        error = reply.exception()
        self._inbox.put(self._one_less if error is None else partial(self._is_unconfirmed, error))

    def _is_unconfirmed(self, error: BaseException) -> None:
        self._unconfirmed = error

    def _let_go(self) -> None:
        """Of the tasks, too: they must not live as long as the traceback of this run's error."""
        super()._let_go()
        self._futures, self._last = [], []

    def _cancel_parts(self, error: BaseException) -> None:
        super()._cancel_parts(error)
        # Dask's scheduler drops a client that cancels a task which others need that no client asked for.  What those
        # before the last ones do is of no use to anyone then, and ends with them or with their part.
        if self._last:
            self._watch.cancel(self._last)


def lends_to_devices_alone(plan: Plan) -> bool:
    """May a queue's elements go to other devices, and not to the caller, who would have them with the values?"""
    return any(
        segment.blocks
        and not set(segment.gives) & set(plan.fetches)
        and any(other.device != segment.device and set(segment.gives) & set(other.needs) for other in plan.segments)
        for segment in plan.segments
    )


def task_graph(plan: Plan, step: StepId) -> tuple[HighLevelGraph, list[str]]:
    """One annotated Dask task for each segment, and their keys, which read like the user's program.

    A layer for each task, made here and not by `delayed`, which would copy all layers before it.
    """
    keys = [f"{segment.label}-{uuid.uuid4().hex}" for segment in plan.segments]
    sources = {edge: key for segment, key in zip(plan.segments, keys, strict=True) for edge in segment.gives}
    layers, before = {}, {}
    for segment, key in zip(plan.segments, keys, strict=True):
        upstream = list(dict.fromkeys(sources[edge] for edge in segment.needs if edge in sources))
        task = task_of(key, run_segment, segment.device, *step, segment.index, segment.needs, after=upstream)
        layers[key] = MaterializedLayer({key: task}, annotations={"resources": {segment.device: SHARE}})
        before[key] = set(upstream)
    return HighLevelGraph(layers, before), keys


def _step_error(error: BaseException, segment: Segment) -> OpError:
    """The exception of a segment's task, as dflow's; Dask's own mean that a worker was lost."""
    if isinstance(error, OpError):
        return error
    if isinstance(error, FutureCancelled):
        return CancelledError(None, None, f"Dask cancelled {segment.label!r} on {segment.device}: {error}")
    if type(error).__module__.startswith("distributed"):
        fact = f"{segment.label!r} on {segment.device}, or what it needs, was lost with a worker: {error}"
        return UnavailableError(None, None, fact)
    return as_op_error(error)
