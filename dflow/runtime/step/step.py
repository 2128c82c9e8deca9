"""A step as its owner sees it: starts a part on each device, runs the segments of this process, waits for the rest.

Hot runs, loops and local sessions use `Step`.  A cold run uses its subclass `ColdStep` (`dask/cold.py`), and a step of
one segment in its owner's process needs none (`single_segment.py`).  A `Step` is a run of the whole plan; a `Part`
(`device/part.py`) is the part of a step on one device.

The owner's thread runs the segments of the devices of its own process; other processes run theirs in their pools.
Results, failures, cancellations and lost channels arrive in one inbox.  The owner's thread waits for it until the
deadline.  Nothing polls.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any

from dflow.compile import CallPlan
from dflow.errors import CancelledError, OpError
from dflow.runtime.base import timeouts
from dflow.runtime.base.answers import Settle, no_withdraw, unacknowledged
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.failures import lost
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.base.stall import report
from dflow.runtime.device.part import Part
from dflow.runtime.step.process import Process
from dflow.runtime.step.routing import ResultRouter, on_host
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.channel import Channel
from dflow.runtime.transport.silence import Silence


class StepNumbers:
    """Numbers the steps of one owner.  The low-water mark is the lowest number of a step that has not ended."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._lock = threading.Lock()
        self._next = 0
        self._open: dict[int, None] = {}  # the steps that have not ended, in rising order

    def begin(self) -> tuple[StepId, int]:
        """Begin a step.  Returns its id, and the low-water mark."""
        with self._lock:
            number = self._next
            self._next += 1
            self._open[number] = None
            return (self.owner, number), next(iter(self._open))

    def end(self, step: StepId) -> None:
        with self._lock:
            self._open.pop(step[1], None)


LATE = "Timed out waiting for notification: the step did not end"


def late(
    process: Process,
    owner: str,
    deadline: Deadline,
    answers: Deadline = NEVER,
    channels: Container[Channel] = (),
    withdraw: Callable[[], None] = no_withdraw,
) -> OpError:
    """The error of a step of `owner` that did not end in time.  It names the queues that attempts of it wait for.

    answers: limits the wait for other processes, which report the attempts that wait for their queues.
    channels: to the processes that have a part of the step.  The error also names those of them that do not answer.
    withdraw: ends the step.  It is called after the reports are requested, so that they show what the step waited for,
    and before this thread waits for them, so that the late step takes and puts no elements meanwhile.
    """
    rows, silent = process.queue_rows(), list[str]()
    reports = [(channel, process.ask_queue_rows(channel)) for channel in process.channels()]
    withdraw()
    for channel, answer in reports:
        try:
            rows += answer.result(answers.left())
        except TimeoutError:
            if channel in channels:
                silent.append(
                    f"worker {channel.peer} did not answer within {timeouts.STALL_ANSWER:g} s, when it was asked why"
                )
        except OpError:  # a failed report must not hide the error of the step
            pass
    session, _, loop = owner.partition("/")
    suffix = f"of loop {loop}" if loop else f"of {session}"
    awaited = [row for row in rows if any(w["who"].endswith(suffix) for w in row["waiting"])]
    return deadline.error(LATE, [*silent, report(awaited)] if awaited else silent)


class Step(ResultRouter):
    """One run of a plan, and the router of its parts in this process."""

    def __init__(self, process: Process, session: str, call: CallPlan, numbers: StepNumbers) -> None:
        self.process = process
        self.session = session
        self.call = call
        step, self.low_water = numbers.begin()
        super().__init__(step, process.executors, process.channel_to)
        self.values: dict[int, Any] = {}
        self.error: BaseException | None = None
        self.deadline = NEVER
        self.waited_s = 0.0  # seconds in which the owner's thread had nothing to run
        self._numbers = numbers
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._open = 0  # parts that have not reported their end yet
        self._over = False
        self._lock = threading.Lock()  # of `values` and `_over`, which other threads change
        self._landing = 0  # deliveries for the caller that are not acknowledged yet
        self._lost = False  # an acknowledgement could not be sent: no value may be used
        self._withdrawn = False  # the parts were cancelled
        self._told: list[Future[Any]] = []  # end when other processes have cancelled their parts of a late step
        self._parts: list[Part] = []
        self._channels: dict[Channel, list[str]] = {}  # channel -> the devices behind it
        self._silence: Silence | None = None  # made after `LOG_SLOW_AFTER`
        self._unstarted: set[str] = set()  # devices whose parts start with tensors of parts of this process

    def run(self, feeds: Sequence[Any], deadline: Deadline = NEVER) -> list[Any]:
        """Run to the end.  Returns the value of each fetch, as an array of its device; None for an operation.

        Raises the first failure; DeadlineExceededError; CancelledError; UnavailableError if a process that has a part
        of the step is lost.
        """
        self.deadline = deadline
        self.process.steps[self.id] = self
        try:
            self._start(dict(zip(self.call.feeds, feeds, strict=True)))
            self._wait()
            return [None if edge is None else self.values[edge] for edge in self.call.fetches]
        except BaseException as error:
            with self._lock:
                self._over = True
            self._cancel_parts(error)
            raise
        finally:
            self.process.step_ended(self.id)
            self._numbers.end(self.id)
            self._let_go()

    def _start(self, fed: dict[int, Any]) -> None:
        self.values.update(fed)  # a fed tensor may be fetched
        self._open = self.call.reports
        for device, address in self.call.addresses.items():
            feeds = [(edge, fed[edge]) for edge in self.call.feeds_of[device]]
            self._start_part(device, address, feeds)

    def _start_part(self, device: str, address: str, feeds: Edges) -> None:
        plan, executors = self.call.number, self.process.executors
        executor = executors.get(device)
        if executor is not None:
            self._parts.append(executor.start(self.session, plan, self.id, self.low_water, feeds, self, self._do))
            return
        channel = self.process.channel_to(address)
        self._channels.setdefault(channel, []).append(device)
        producers = self.call.producers.get(device)
        if producers and producers <= executors.keys():
            self._unstarted.add(device)
        else:
            channel.send(m.Start(self.session, device, plan, self.id, self.low_water, on_host(feeds) if feeds else []))
        if channel.closed:  # `channel_closed` may have run before this step was added
            self.channel_closed(channel)

    def _wait(self) -> None:
        in_time = True
        while (self._open or self._landing) and self.error is None and in_time:
            try:
                self._next()()
            except queue.Empty:
                with self._lock:
                    in_time = not self._inbox.empty()
                    self._over = self._over or not in_time
        if in_time and self.error is None:
            return
        self._let_land()
        if self._complete():
            return
        if self.error is not None:
            raise self.error
        answers = Deadline(timeouts.STALL_ANSWER)
        error = self._late(answers)
        if not self._came_after_all(answers):
            raise error

    def _complete(self) -> bool:
        """Whether all parts have reported their ends, and the caller has the fetched values."""
        return not (self._open or self._landing or self._lost)

    def _late(self, answers: Deadline) -> OpError:
        return late(self.process, self.id[0], self.deadline, answers, self._channels, self._withdraw_late)

    def _withdraw_late(self) -> None:
        channels = self._withdraw(self.deadline.error(LATE))
        self._told = [self.process.request(channel, m.Ping) for channel in channels]

    def _came_after_all(self, answers: Deadline) -> bool:
        """Whether the step ended before its parts were cancelled for being late.

        For example, the element of its enqueue may be in the queue.
        """
        wait(self._told, answers.left())
        with suppress(queue.Empty):
            while True:
                self._inbox.get_nowait()()
        return self.error is None and self._complete()

    def _let_land(self) -> None:
        """Wait a moment for acknowledgements on their way.  Otherwise, elements that were taken would be lost."""
        ends = Deadline(timeouts.STOP_GRACE)
        with suppress(queue.Empty):
            while self._landing:
                self._inbox.get(timeout=ends.left())()

    def _next(self) -> Callable[[], None]:
        """The next work for this thread; queue.Empty at the deadline."""
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            started = time.monotonic()
        try:
            return self._awaited()
        finally:
            self.waited_s += time.monotonic() - started

    def _awaited(self) -> Callable[[], None]:
        """Wait for the next work.  Meanwhile, log the processes that do not answer."""
        while True:
            left, silence = self.deadline.left(), self._silence
            pause = max(0.0, timeouts.LOG_SLOW_AFTER - self.waited_s) if silence is None else silence.pause()
            try:
                return self._inbox.get(timeout=min((it for it in (left, pause) if it is not None), default=None))
            except queue.Empty:
                if pause is None or (left is not None and left <= pause):
                    raise
            if silence is None:
                silence = self._silence = self._make_silence(max(timeouts.LOG_SLOW_AFTER, self.waited_s))
            silence.look()

    def _make_silence(self, waited_s: float) -> Silence:
        return Silence(self.process.ask_queue_rows, self._channels, waited_s)

    def _cancel_parts(self, error: BaseException) -> None:
        """Cancel everything that belongs to the step, which ends with `error`."""
        self._withdraw(error)

    def _withdraw(self, error: BaseException) -> list[Channel]:
        """Cancel the parts, once: they withdraw their attempts.  Returns the channels to cancelled parts."""
        if self._withdrawn:
            return []
        self._withdrawn, channels = True, list[Channel]()
        reason = (
            error if isinstance(error, OpError) else CancelledError(None, None, f"the step was cancelled: {error!r}")
        )
        for part in self._parts:
            part.cancel(reason)
        for channel, devices in self._channels.items():
            started = [device for device in devices if device not in self._unstarted]
            for device in started:
                channel.send(m.Cancel(self.id, device, reason))
            if started:
                channels.append(channel)
        return channels

    def _let_go(self) -> None:
        """Drop references that lead back to this step.

        A cycle would keep it, and its values, until Python's next garbage collection.
        """
        self._parts.clear()
        self._silence = None

    def _message(self, device: str, edges: Edges, delivery: int | None) -> Any:
        """The message that brings tensors to a part in another process.

        It also starts the part if these are its first tensors and the part begins with them.
        Called in the owner's thread, in which all segments of this process run.
        """
        if device not in self._unstarted:
            return super()._message(device, edges, delivery)
        self._unstarted.discard(device)
        return m.Start(self.session, device, self.call.number, self.id, self.low_water, edges, delivery)

    # -- called from any thread

    def _do(self, work: Callable[[], None], quick: bool) -> None:
        """Run work of a part of this process in the owner's thread."""
        self._inbox.put(work)

    def fetched(self, edges: Edges, delivery: Settle | None, finished: str = "") -> bool:
        """Accept values for the caller.  Returns False, and releases the delivery, if the step has ended.

        The caller goes on when the acknowledgement of the delivery has left this process.
        """
        with self._lock:
            accepted = not self._over
            if accepted:
                self.values.update(edges)
                if delivery is not None:
                    self._landing += 1
                elif finished:
                    self._inbox.put(self._one_less)
        if delivery is not None:
            if accepted:
                delivery(True, partial(self._landed, finished))
            else:
                delivery(False)
        return accepted

    def _landed(self, finished: str, sent: bool) -> None:
        with self._lock:
            self._over = self._over or not sent
            self._inbox.put(partial(self._acknowledged, finished, sent))

    def _acknowledged(self, finished: str, sent: bool) -> None:
        """Count a delivery whose acknowledgement was sent, or could not be sent.  Called in the owner's thread."""
        with self._lock:
            self._landing -= 1
        if not sent:  # the element is back in its queue: no value of the step may be used
            self._lost = True
            self._fail(unacknowledged())
        elif finished:
            self._one_less()

    def finished(self, device: str) -> None:
        self._inbox.put(self._one_less)

    def _one_less(self) -> None:
        self._open -= 1

    def failed(self, device: str, error: OpError) -> None:
        self.cancel(error)

    def cancel(self, error: BaseException) -> None:
        """End the step with `error`, unless it ends in another way first."""
        with self._lock:
            self._over = True
            self._inbox.put(partial(self._fail, error))

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error

    def channel_closed(self, channel: Channel) -> None:
        """End the step with UnavailableError if the process that is gone has a part of it."""
        devices = self._channels.get(channel)
        if devices is not None:
            self.cancel(lost(channel.peer, devices, "this step's part there"))
