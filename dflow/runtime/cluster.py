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

from distributed import Client
from distributed.comm import get_address_host_port

from dflow.compile import DeviceInfo, DeviceTable, Plan
from dflow.errors import (
    CancelledError,
    DeadlineExceededError,
    FailedPreconditionError,
    NotFoundError,
    OpError,
    UnavailableError,
)
from dflow.runtime import messages as m
from dflow.runtime.actors import ActorKeeper
from dflow.runtime.code import dump_part
from dflow.runtime.cold import ColdStep
from dflow.runtime.config import ConfigProto
from dflow.runtime.dask_client import FutureCancelled, ask_scheduler, event_loop, when_done
from dflow.runtime.extension import DflowExtension
from dflow.runtime.failures import as_op_error, lost
from dflow.runtime.lane import Lane
from dflow.runtime.loops import Loop, LoopRun, LoopSpec, batched, choose_home
from dflow.runtime.process import Process
from dflow.runtime.step import Step, StepNumbers
from dflow.runtime.versions import compare_versions
from dflow.runtime.worker import LANE_TIMEOUT, SHARE, DflowWorker, current_plugin

logger = logging.getLogger("dflow.cluster")

DEVICES_TIMEOUT = 30.0  # seconds to wait for the first worker, and for workers to declare their devices
GONE_TIMEOUT = 3.0  # seconds in which the scheduler hears of a worker's death, if the end of a lane was that


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
        self._gone: set[str] = set()  # addresses whose lane closed, until the scheduler says that they are lost
        self._cut = 0  # lanes that closed though their worker is alive: it has dropped our plans
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
        table = self._table
        if table is None or fresh:
            table = self._table = self._ask_devices()
        return table

    def _ask_devices(self) -> DeviceTable:
        started = time.monotonic()
        while True:
            try:
                answer = ask_scheduler(self.client, "dflow_devices")
            except (TimeoutError, OSError) as error:
                raise UnavailableError(None, None, f"the scheduler cannot be reached: {error}") from error
            waited = time.monotonic() - started
            ready = answer["members"] and not answer["waiting"]
            living = {member["address"] for member in answer["members"] if not member["lost"]}
            if (ready and (waited > GONE_TIMEOUT or not living & self._gone)) or waited > DEVICES_TIMEOUT:
                break
            time.sleep(0.02)
        self._cut += len(living & self._gone)
        self._gone.clear()
        compare_versions(answer)
        infos = [
            DeviceInfo(name, member["address"], member["virtual"] and "GPU" in name, member["lost"])
            for member in answer["members"]
            for name in member["devices"]
        ]
        return DeviceTable(tuple(infos), answer["version"] + self._cut)

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
        self._gone.add(lane.peer)
        self._table = None
        for loop in list(self._loops.values()):
            addresses = loop.spec.call.addresses
            if addresses[loop.spec.home] == lane.peer and not loop.done():
                error = lost(lane.peer, [loop.spec.home], f"the loop {loop.name!r}")
                loop.ended(None, error)
                for other in self.process.lanes():
                    if other.peer in addresses.values():
                        other.send(m.EndOwner(self.session, loop.spec.owner, error))

    # -- plans

    def install(self, plan: Plan) -> None:
        """Send each device its part, and wait until all have it."""
        replies = []
        for device, part in plan.parts.items():
            lane = self.process.lane_to(plan.addresses[device])
            make = partial(m.Install, self.session, device, plan.number, dump_part(part))
            replies.append(self.process.request(lane, make))
        for address in {address for part in plan.parts.values() for address in part.addresses.values()}:
            # They hear of the session, before another process may ask them something for it, and later of its end.
            replies.append(self.process.request(self.process.lane_to(address), m.Ping))
        for reply in replies:
            reply.result()

    def forget(self, plan: Plan) -> None:
        for lane in self.process.lanes():
            if lane.peer in plan.addresses.values():
                lane.send(m.Forget(self.session, plan.number))

    def run(self, plan: Plan, feeds: Sequence[Any], timeout: float | None) -> list[Any]:
        if plan.number in self._warm:
            return Step(self.process, self.session, plan.call(), self._numbers).run(feeds, timeout)
        self._actors.keep(plan)
        step = ColdStep(self.process, self.session, plan, self._numbers, self.client)
        try:
            return step.run(feeds, timeout)
        finally:
            self._warm.add(plan.number)

    def actor(self, spec: Any) -> Any:
        """The Dask actor of a queue, a reader, or of the container of a variable."""
        return self._actors.find(spec)

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
            spec = LoopSpec(
                self.session, name, plan.call(), home, label, steps, every, fetch_map.names, batched(plan, label)
            )
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
        when_done(self.client, future, partial(_loop_ended, self.client, loop))
        return loop

    def _report(self, report: m.LoopReport) -> None:
        loop = self._loops.get(report.loop)
        if loop is not None:
            loop.reported(report.iteration, report.values)

    def queue_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = list(ask_scheduler(self.client, "dflow_snapshot")["queues"])
        return rows

    # -- the end

    def close(self, wait: bool = True) -> None:
        """Cancel every step and loop, here and on the workers, then disconnect."""
        self._closed = True
        error = CancelledError(None, None, "Session::Close: the run was cancelled, its session was closed")
        self.process.closing = error
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
        else:  # this may be any thread, the client's own too
            threading.Thread(target=self.client.close, name="dflow-close", daemon=True).start()


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
    plugin.watch(key, run.stop)
    try:
        steps, end = run.run()
        return steps, None if end is None else end.portable()
    except OpError as error:
        failure = error.portable()
    finally:
        plugin.tasks.pop(key, None)
    raise failure


def _loop_ended(client: Client, loop: Loop, found: Any) -> None:
    """What the task of a loop gave: its result, or an exception."""
    if isinstance(found, FutureCancelled) and client.status != "running":
        loop.ended(None, UnavailableError(None, None, f"the scheduler was lost, and the loop {loop.name!r} with it"))
    elif isinstance(found, FutureCancelled):
        loop.ended(None, CancelledError(None, None, f"Dask cancelled the loop {loop.name!r}"))
    elif isinstance(found, BaseException):
        loop.ended(None, found if isinstance(found, OpError) else as_op_error(found))
    else:
        loop.ended(found[0], None, found[1])


def _connect(target: str, config: ConfigProto) -> Client:
    milliseconds = config.operation_timeout_in_ms
    limit = {"timeout": milliseconds / 1000} if milliseconds else {}
    try:
        if not target.startswith(("inproc://", "ucx://")):  # the others have a host and a port
            get_address_host_port(target)  # a Client that cannot even try leaves half of itself behind
    except ValueError as error:
        fact = "No session factory registered for the given session options: "
        raise NotFoundError(None, None, f"{fact}{target!r} is no address of a Dask scheduler: {error}") from error
    try:
        return Client(target, set_as_default=False, name="dflow", **limit)
    except (TimeoutError, OSError) as error:
        if limit:
            fact = f"no Dask scheduler answered at {target} within {milliseconds} ms: {error}"
            raise DeadlineExceededError(None, None, fact) from error
        raise UnavailableError(None, None, f"no Dask scheduler answers at {target}: {error}") from error


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
