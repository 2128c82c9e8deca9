"""Sessions on a Dask cluster: the client's half.

The first run of a plan is a Dask task graph (`cold.py`); from the second one on, one message a device starts a step at
the hosts, which send tensors straight to each other.  Loops are long-running Dask tasks.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from distributed import Client, Future

from dflow.compile import DeviceInfo, DeviceTable, Plan
from dflow.errors import CancelledError, DeadlineExceededError, FailedPreconditionError, OpError, UnavailableError
from dflow.runtime import messages as m
from dflow.runtime.actors import ActorKeeper
from dflow.runtime.code import dump_part
from dflow.runtime.cold import ColdStep
from dflow.runtime.config import ConfigProto
from dflow.runtime.dask_client import ask_scheduler, event_loop
from dflow.runtime.extension import DflowExtension
from dflow.runtime.failures import as_op_error, lost
from dflow.runtime.lane import Lane
from dflow.runtime.loops import Loop, LoopRun, LoopSpec, choose_home
from dflow.runtime.process import Process
from dflow.runtime.step import Step, StepNumbers
from dflow.runtime.versions import compare_versions
from dflow.runtime.worker import LANE_TIMEOUT, SHARE, DflowWorker, current_plugin

logger = logging.getLogger("dflow.cluster")

DEVICES_TIMEOUT = 30.0  # seconds to wait for the first worker, and for workers to declare their devices


class ClusterBackend:
    """A session's connection to a cluster: a Dask client of its own, and a lane to each worker that it uses."""

    def __init__(self, target: str, config: ConfigProto) -> None:
        self.session = f"session-{uuid.uuid4().hex[:8]}"
        self.client = _connect(target, config)
        try:
            self._register()
        except BaseException:
            self.client.close()
            raise
        self.process = Process(self.session, self._open_lane)
        self.process.on_lane_closed = self._lane_closed
        self.process.on_loop_report = self._report
        self._numbers = StepNumbers(self.session)
        self._lock = threading.Lock()
        self._table: DeviceTable | None = None
        self._warm: set[int] = set()
        self._loops: dict[str, Loop] = {}
        self._actors = ActorKeeper(self.client, self.session)
        self._closed = False

    def _register(self) -> None:
        try:
            self.client.register_plugin(DflowExtension())
        except ModuleNotFoundError as error:
            raise FailedPreconditionError(
                None, None, f"the scheduler has no module {error.name!r}; install dflow there, in the same version"
            ) from error
        for worker, answer in (self.client.register_plugin(DflowWorker()) or {}).items():
            if isinstance(answer, dict) and answer.get("status") == "error":
                logger.error("worker %s could not be set up: %s", worker, answer.get("exception"))

    # -- devices

    def devices(self, fresh: bool = False) -> DeviceTable:
        """The devices that the scheduler knows; waits for workers that have just come."""
        if self._table is None or fresh:
            self._table = self._ask_devices()
        return self._table

    def _ask_devices(self) -> DeviceTable:
        deadline = time.monotonic() + DEVICES_TIMEOUT
        while True:
            try:
                answer = ask_scheduler(self.client, "dflow_devices")
            except (TimeoutError, OSError) as error:
                raise UnavailableError(None, None, f"the scheduler cannot be reached: {error}") from error
            ready = answer["members"] and not answer["waiting"]
            if ready or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        compare_versions(answer)
        infos = [
            DeviceInfo(name, member["address"], member["virtual"] and "GPU" in name, member["lost"])
            for member in answer["members"]
            for name in member["devices"]
        ]
        return DeviceTable(tuple(infos), answer["version"])

    # -- lanes

    def _open_lane(self, process: Process, address: str) -> Lane:
        loop = event_loop(self.client)
        lane = Lane(process, address, loop)
        arguments = self.client.security.get_connection_args("client")
        asyncio.run_coroutine_threadsafe(lane.open(arguments, self.session, LANE_TIMEOUT), loop)
        return lane

    def _lane_closed(self, lane: Lane) -> None:
        if self._closed:
            return
        self._table = None
        for loop in list(self._loops.values()):
            if loop.spec.call.addresses[loop.spec.home] == lane.peer:
                loop.ended(None, lost(lane.peer, [loop.spec.home], f"the loop {loop.name!r}"))

    # -- plans

    def install(self, plan: Plan) -> None:
        """Send each device its part, and wait until all have it."""
        replies = []
        for device, part in plan.parts.items():
            lane = self.process.lane_to(plan.addresses[device])
            make = partial(m.Install, self.session, device, plan.number, dump_part(part))
            replies.append(self.process.request(lane, make))
        for reply in replies:
            reply.result()

    def forget(self, plan: Plan) -> None:
        for address in set(plan.addresses.values()):
            self.process.lane_to(address).send(m.Forget(self.session, plan.number))

    def run(self, plan: Plan, feeds: Sequence[Any], timeout: float | None) -> list[Any]:
        if plan.number in self._warm:
            return Step(self.process, self.session, plan.call(), self._numbers).run(feeds, timeout)
        self._actors.keep(plan)
        step = ColdStep(self.process, self.session, plan, self._numbers, self.client)
        try:
            return step.run(feeds, timeout)
        finally:
            self._warm.add(plan.number)

    # -- loops

    def repeat(
        self,
        plan: Plan,
        *,
        fetch_map: Any,
        steps: int | None,
        every: int,
        device: Any,
        label: str,
        located: Callable[[Any], Any],
    ) -> Loop:
        self._actors.keep(plan)
        with self._lock:
            name = f"{label}-{len(self._loops)}"
            home = choose_home(plan, device)
            spec = LoopSpec(self.session, name, plan.call(), home, label, steps, every, fetch_map.names)
            loop = self._loops[name] = Loop(spec, fetch_map, located)
        lane = self.process.lane_to(plan.addresses[spec.home])
        loop.stopper = lambda error: lane.send(m.StopLoop(self.session, name, error))
        self.process.request(lane, partial(m.InstallLoop, spec)).result()
        future = self.client.submit(
            run_loop,
            self.session,
            name,
            key=f"{label}-{uuid.uuid4().hex}",
            resources={spec.home: SHARE},
            pure=False,
        )
        future.add_done_callback(partial(_loop_ended, loop))
        return loop

    def _report(self, report: m.LoopReport) -> None:
        loop = self._loops.get(report.loop)
        if loop is not None:
            loop.reported(report.iteration, report.values)

    # -- the end

    def close(self, wait: bool = True) -> None:
        """Cancel every step and loop, here and on the workers, then disconnect."""
        self._closed = True
        error = CancelledError(None, None, "Session::Close: the run was cancelled, its session was closed")
        for loop in list(self._loops.values()):
            if not loop.done():
                loop.stopper(error)
        for step in list(self.process.steps.values()):
            step.cancel(error)
        for lane in self.process.lanes():
            lane.send(m.EndSession(self.session))
        for loop in list(self._loops.values()):
            loop.ended(None, error)
        self.process.close()
        if wait:
            self.client.close()


def run_loop(session: str, name: str) -> tuple[int, OpError | None]:
    """The Dask task of a loop, on the worker of its home device."""
    from distributed import secede

    plugin = current_plugin()
    run: LoopRun | None = plugin.process.loops.get((session, name))
    if run is None or not run.claim():
        raise UnavailableError(
            None, None, f"the loop {name!r} was lost with its worker, or its session ended; it is not started again"
        )
    secede()
    key = plugin.current_key()
    plugin.tasks[key] = run.stop
    try:
        return run.run()
    finally:
        plugin.tasks.pop(key, None)


def _loop_ended(loop: Loop, future: Future[Any]) -> None:
    if future.status == "finished":
        steps, end = future.result()
        loop.ended(steps, None, end)
    elif future.status == "error":
        error = future.exception()
        loop.ended(None, error if isinstance(error, OpError) else as_op_error(error))
    else:
        loop.ended(None, CancelledError(None, None, f"Dask cancelled the loop {loop.name!r}"))


def _connect(target: str, config: ConfigProto) -> Client:
    milliseconds = config.operation_timeout_in_ms
    limit = {"timeout": milliseconds / 1000} if milliseconds else {}
    try:
        return Client(target, set_as_default=False, name="dflow", **limit)
    except (TimeoutError, OSError) as error:
        if limit:
            fact = f"no Dask scheduler answered at {target} within {milliseconds} ms: {error}"
            raise DeadlineExceededError(None, None, fact) from error
        raise UnavailableError(None, None, f"no Dask scheduler answers at {target}: {error}") from error
    except ValueError as error:
        raise FailedPreconditionError(None, None, f"{target!r} is no address of a Dask scheduler: {error}") from error


def reset_cluster(target: str, containers: list[str], config: ConfigProto) -> None:
    """Drop the state in containers on every worker; sessions of the cluster get AbortedError."""
    backend = ClusterBackend(target, config)
    try:
        addresses = {info.address for info in backend.devices().devices if not info.lost}
        make = partial(m.Reset, tuple(containers))
        replies = [backend.process.request(backend.process.lane_to(address), make) for address in sorted(addresses)]
        for reply in replies:
            reply.result()
    finally:
        backend.close()
