"""Sessions on a Dask cluster: the client's side (`ClusterBackend`).

The first run of a plan, a cold run, is a Dask task graph (`dask/cold.py`).  Each later run is a hot run: one message to
each device starts the step, and the workers send tensors straight to each other.  Loops are long-running Dask tasks.

benchmarks/cold_run.py shows the gain of hot runs: 0.3 ms for one operation on a worker, and 8 ms for a cold run.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from dflow import forks
from dflow.cluster.target import new_session
from dflow.compile import DevicePlan, DeviceTable, Plan
from dflow.errors import (
    CancelledError,
    FailedPreconditionError,
    OpError,
    UnavailableError,
)
from dflow.runtime.base import settings, timeouts
from dflow.runtime.base.code import dump_part
from dflow.runtime.base.config import ConfigProto
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.failures import as_op_error, lost, with_operations
from dflow.runtime.base.held import HeldBySession
from dflow.runtime.dask.actors import ActorKeeper
from dflow.runtime.dask.client import (
    FutureCancelled,
    Watch,
    abandon,
    ask_scheduler,
    connection_args,
    in_our_span,
    is_connected,
    on_loop,
    scheduler_call,
)
from dflow.runtime.dask.cold import ColdStep
from dflow.runtime.dask.connect import connect_client
from dflow.runtime.dask.extension import DflowExtension
from dflow.runtime.dask.known_devices import KnownDevices, devices_in
from dflow.runtime.dask.loop_task import run_loop
from dflow.runtime.dask.unbegun import tell_of_unbegun
from dflow.runtime.dask.worker import SHARE
from dflow.runtime.device.trace import KernelCall
from dflow.runtime.dispatch import handle
from dflow.runtime.session.loop_handle import Loop
from dflow.runtime.step.graph_loop import start_loop
from dflow.runtime.step.process import Process
from dflow.runtime.step.step import Step, StepNumbers
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.calls import answered
from dflow.runtime.transport.channel import Channel
from dflow.runtime.transport.versions import compare_versions

logger = logging.getLogger("dflow.cluster")


class ClusterBackend:
    """A session's connection to a cluster: a Dask client of its own, and a channel to each worker that it uses."""

    def __init__(self, target: str, config: ConfigProto) -> None:
        self.session = new_session()
        self.client = connect_client(target, config)
        try:
            self._register()
        except BaseException:
            self.client.close()
            raise
        self.watch = Watch(self.client)
        self.process = Process(self.session, self._open_channel, handle, start_loop)
        self.process.on_channel_closed = self._channel_closed
        self.process.on_loop_report = self._report
        self._numbers = StepNumbers(self.session)
        self._known = KnownDevices()
        self._hot_runs = settings.hot_runs()
        self._warm: set[int] = set()  # numbers of plans that have had their cold run
        self._loops: dict[str, Loop] = {}  # loops that have not ended
        self._actors = ActorKeeper(self.client, self.session, self._known.process_at)
        self._closed = False
        forks.in_child(self, ClusterBackend._forked)

    def _forked(self) -> None:
        self._closed = True
        abandon(self.client)

    def _register(self) -> None:
        try:
            self.client.register_plugin(DflowExtension())
        except ModuleNotFoundError as error:
            raise FailedPreconditionError(
                None, None, f"the scheduler has no module {error.name!r}; install dflow there, in the same version"
            ) from error

    # -- devices

    def table(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        """The devices of the workers that the scheduler knows.  Waits for the first worker."""
        table = None if fresh else self._known.table
        return table or self._ask_devices(deadline)

    def devices(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        until = time.monotonic() + timeouts.DEVICES_DECLARED
        table = self.table(fresh, deadline)
        while table.starting and time.monotonic() < until and deadline.left() != 0.0:
            time.sleep(timeouts.DEVICES_LOOK)
            table = self.table(True, deadline)
        return table

    def _ask_devices(self, deadline: Deadline) -> DeviceTable:
        started = time.monotonic()
        while True:
            generation = self._known.generation
            answer = self._ask_scheduler("dflow_devices", deadline)
            waited = time.monotonic() - started
            devices, refused = devices_in(answer), [f"{worker}: {why}" for worker, why in answer["refused"].items()]
            believed = waited > timeouts.DEATH_HEARD or not self._known.doubts(devices)
            if (devices and believed) or waited > timeouts.FIRST_WORKER:
                compare_versions(answer)
                table = self._known.keep(devices, answer["version"], generation, refused)
                if table is not None:
                    return table
            if deadline.left() == 0.0:
                raise deadline.error("the workers did not declare their devices")
            time.sleep(timeouts.DEVICES_LOOK)

    def _ask_scheduler(self, handler: str, deadline: Deadline = NEVER, **arguments: Any) -> Any:
        try:
            return ask_scheduler(self.client, handler, timeout=deadline.left(), **arguments)
        except OSError as error:
            if isinstance(error, TimeoutError) and deadline.left() is not None:
                raise deadline.error("the scheduler did not answer") from error
            raise UnavailableError(None, None, f"the scheduler cannot be reached: {error}") from error

    # -- channels

    def _open_channel(self, process: Process, address: str) -> Channel:
        channel = Channel(process, address)
        arguments = connection_args(self.client, "client")
        heard = partial(scheduler_call(self.client, "dflow_heard"), worker=address)
        on_loop(self.client, partial(channel.open, arguments, self.session, timeouts.CONNECT, heard))
        return channel

    def _channel_closed(self, channel: Channel) -> None:
        if self._closed:
            return
        self._known.channel_closed(channel.peer)
        for loop in list(self._loops.values()):
            addresses = loop.spec.call.addresses
            if addresses[loop.spec.driver] != channel.peer:
                loop.process_lost(channel.peer)
                continue
            loop.all_reported()
            if not loop.done():
                error = lost(channel.peer, [loop.spec.driver], f"the loop {loop.name!r}")
                loop.ended(None, error)
                for other in self.process.channels():
                    if other.peer in addresses.values():
                        other.send(m.EndOwner(self.session, loop.spec.owner, error))

    # -- plans

    def install(self, plan: Plan, deadline: Deadline) -> None:
        """Send each device its part, and wait until all have it."""
        requests = []
        try:
            for one in plan.whole():
                for device, part in one.parts.items():
                    channel = self.process.channel_to(one.addresses[device])
                    make = partial(m.Install, self.session, device, one.number, dump_part(part))
                    requests.append((channel, f"install {_in_words(part)}", self.process.request(channel, make)))
            parts = [part for one in plan.whole() for part in one.parts.values()]
            for address in {address for part in parts for address in part.addresses.values()}:
                # A session has to begin there before other processes call them for it, and to end there later.
                channel = self.process.channel_to(address)
                requests.append((channel, "hear of the session", self.process.request(channel, m.Ping)))
            for channel, task, reply in requests:
                answered(channel, reply, task, deadline)
        except BaseException:
            for channel, _, reply in requests:
                reply.add_done_callback(partial(self._forget_at, channel, plan))
            raise

    def forget(self, plan: Plan) -> None:
        self._warm.discard(plan.number)
        addresses = {address for one in plan.whole() for address in one.addresses.values()}
        for channel in self.process.channels():
            if channel.peer in addresses:
                self._forget_at(channel, plan)

    def _forget_at(self, channel: Channel, plan: Plan, installed: object = None) -> None:
        """Remove a plan at another process.

        installed: the answer to an `Install`, if one was sent.  A message before that answer might overtake it.
        """
        for one in plan.whole():
            channel.send(m.Forget(self.session, one.number))

    def run(self, plan: Plan, feeds: Sequence[Any], deadline: Deadline) -> list[Any]:
        try:
            if self._hot_runs and plan.number in self._warm:
                return Step(self.process, self.session, plan.call, self._numbers).run(feeds, deadline)
            return self._run_cold(plan, feeds, deadline)
        except UnavailableError as error:
            with_operations(error, plan)
            raise

    def trace(self, plan: Plan, deadline: Deadline) -> dict[str, list[KernelCall]]:
        requests = []
        for one in plan.whole():
            for device in one.parts:
                channel = self.process.channel_to(one.addresses[device])
                make = partial(m.TakeTrace, self.session, device, one.number)
                requests.append((device, channel, self.process.request(channel, make)))
        calls: dict[str, list[KernelCall]] = {}
        for device, channel, reply in requests:
            calls.setdefault(device, []).extend(answered(channel, reply, f"tell the trace of {device}", deadline))
        return calls

    def _run_cold(self, plan: Plan, feeds: Sequence[Any], deadline: Deadline) -> list[Any]:
        self._actors.keep(plan)
        step = ColdStep(self.process, self.session, plan, self._numbers, self.client, self.watch)
        try:
            return step.run(feeds, deadline)
        finally:
            self._warm.add(plan.number)

    def actor(self, spec: Any) -> Any:
        """The Dask actor of a queue, a reader, or of the container of a variable."""
        return self._actors.find(spec)

    def forget_actors(self, containers: list[str], deadline: Deadline) -> None:
        """Have the scheduler release the actors of these containers, which the workers have dropped."""
        self._ask_scheduler("dflow_reset", deadline, containers=containers)

    # -- loops

    def repeat(self, plan: Plan, loop: Loop, deadline: Deadline) -> None:
        """Announce the loop to the worker of its driver, then start it there as a Dask task."""
        spec = loop.spec
        self._actors.keep(plan)
        channel = self.process.channel_to(plan.addresses[spec.driver])
        loop.stopper = lambda error: channel.send(m.StopLoop(self.session, spec.name, error))
        for part in plan.parts.values():
            loop.uses |= plan.addresses | part.addresses
        self._loops[spec.name] = loop
        loop.call_at_end(lambda: self._loops.pop(spec.name, None))
        try:
            if self.process.closing is not None:  # `close` may have ended the loops already
                raise self.process.closing
            reply = self.process.request(channel, partial(m.InstallLoop, spec))
            answered(channel, reply, f"take the loop {loop.name!r} on {spec.driver}", deadline)
            key = f"{loop.name}-{uuid.uuid4().hex}"
            resources = {spec.driver: SHARE}
            with in_our_span():
                future = self.client.submit(run_loop, self.session, spec.name, key=key, resources=resources, pure=False)
        except BaseException as error:
            loop.stop()
            loop.ended(None, error)
            raise
        self.watch.when_done(future, partial(_loop_ended, self.client, loop, plan))
        with suppress(OSError):  # the session is being closed
            label = f"the loop {loop.name!r} on {spec.driver}"
            loop.call_at_end(on_loop(self.client, partial(tell_of_unbegun, self.client, key, label)).cancel)

    def _report(self, report: m.LoopReport | m.LoopDone) -> None:
        loop = self._loops.get(report.loop)
        if loop is None:
            return
        if isinstance(report, m.LoopReport):
            loop.reported(report.iteration, report.values)
        else:
            loop.all_reported(report.steps)

    def queue_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = list(self._ask_scheduler("dflow_snapshot")["queues"])
        return rows

    def held(self) -> HeldBySession:
        loops, hot = tuple(self._loops), tuple(self._warm)
        return HeldBySession(self.process.held(), loops, hot, self.watch.keys(), self._actors.keys())

    # -- the end

    def close(self, wait: bool = True) -> None:
        """Cancel every step and loop, here and on the workers, then disconnect."""
        if not wait or self.client.asynchronous:  # a wait might block any code, or the client's own event loop
            threading.Thread(target=self.close, name="dflow-close", daemon=True).start()
            return
        error = CancelledError(None, None, "Session::Close: the run was cancelled, its session was closed")
        self.process.closing = error
        self.process.cancel_steps(error)
        self._end_loops(error)
        self.process.wait_for_steps(timeouts.STOP_GRACE)  # they may have elements to acknowledge
        self._closed = True
        self.watch.close()
        for channel in self.process.channels():
            channel.send(m.EndSession(self.session))
        self.process.close()
        if is_connected(self.client):
            self._actors.wait(timeouts.STATE_KEPT)
        self.client.close()

    def _end_loops(self, error: CancelledError) -> None:
        """Stop the loops, and wait for their ends, so that a later `join` returns the number of steps.

        A loop that does not end in time, in a long computation, ends here with `error`.
        """
        deadline, loops = Deadline(timeouts.LOOPS_END), list(self._loops.values())
        for loop in loops:
            loop.stop("its session was closed")
        for loop in loops:
            with suppress(Exception):  # the caller's own `join` raises the error
                loop.join(deadline.left())
            loop.ended(None, error)


def _loop_ended(client: Any, loop: Loop, plan: Plan, outcome: Any) -> None:
    """End the handle of a loop whose task has ended.  outcome: the result of `run_loop`, or an exception."""
    if isinstance(outcome, FutureCancelled) and not is_connected(client):
        loop.ended(None, UnavailableError(None, None, f"the scheduler was lost, and the loop {loop.name!r} with it"))
    elif isinstance(outcome, FutureCancelled):
        loop.ended(None, CancelledError(None, None, f"Dask cancelled the loop {loop.name!r}"))
    elif isinstance(outcome, OpError):  # the loop's own
        loop.ended_elsewhere(None, with_operations(outcome, plan))
    elif isinstance(outcome, BaseException):
        loop.ended(None, as_op_error(outcome))
    elif outcome[0] is None:  # it did not run
        loop.ended(None, None, outcome[1])
    else:
        loop.ended_elsewhere(outcome[0], None, outcome[1])


def _in_words(part: DevicePlan) -> str:
    """A plan's part on one device, in words for an error: its first operations, as the user named them."""
    labels = [segment.label for segment in part.segments]
    rest = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return f"plan {part.plan} ({', '.join(labels[:3])}{rest}) on {part.device}"


def reset_cluster(target: str, containers: list[str], config: ConfigProto) -> None:
    """Drop the state in these containers on every worker.  Sessions of the cluster get AbortedError."""
    names = containers or [""]
    backend = ClusterBackend(target, config)
    deadline = Deadline(config.operation_timeout_in_ms / 1000 or None)
    try:
        devices = backend.table(deadline=deadline).devices
        addresses = {info.address for info in devices if not info.lost and not info.starting}
        make = partial(m.Reset, tuple(names))
        channels = [backend.process.channel_to(address) for address in sorted(addresses)]
        for channel, reply in [(channel, backend.process.request(channel, make)) for channel in channels]:
            answered(channel, reply, "drop its containers", deadline)
        backend.forget_actors(names, deadline)
    finally:
        backend.close()
