"""The scheduler extension: names the devices of workers, holds the keys of shared state, serves the dashboard.

It is a plugin of Dask's scheduler, which each session registers; the first registration counts.  It adds the worker
plugin (`worker.py`) to each worker.  It holds no queue and no value, and takes part in no step.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from distributed import Scheduler, metrics
from distributed.comm import get_address_host
from distributed.diagnostics.plugin import SchedulerPlugin

from dflow.devices import containers_of
from dflow.runtime.base import timeouts
from dflow.runtime.dask.client import add_plugin
from dflow.runtime.dask.leftovers import Leftovers
from dflow.runtime.dask.naming import Applicant, DeviceNames, worker_name
from dflow.runtime.dask.worker import DflowWorker
from dflow.runtime.threads.current_frames import make_current_frames_safe
from dflow.runtime.transport.versions import versions

logger = logging.getLogger("dflow.extension")

AT_START: list[Callable[[Scheduler], None]] = []  # additions to the scheduler, such as the dashboard page
HOLDER = "dflow"  # for the scheduler, the client that desires the keys of shared state
NAME = "dflow"

Place = tuple[str, str]  # device, container


@dataclass
class Member:
    """A worker that has devices."""

    name: str
    address: str
    incarnation: str  # of its process
    devices: list[str]
    virtual: bool
    versions: dict[str, str]
    before: bool = False  # whether its devices were declared before a restart
    ready: bool = False  # the scheduler knows its devices as resources
    lost: bool = False

    @property
    def exists(self) -> bool:
        """Whether sessions see its devices.  If it was lost before it declared them: those from before its restart."""
        return self.ready or (self.lost and self.before)


class DflowExtension(SchedulerPlugin):
    """dflow's half on the scheduler."""

    name = NAME
    idempotent = True

    def __init__(self) -> None:
        self.names = DeviceNames()
        self.members: dict[str, Member] = {}  # by the worker's name
        self.version = 0
        self.newcomers: dict[str, asyncio.Task[None]] = {}  # workers without devices yet -> the task that sets them up
        self.refused: dict[str, str] = {}  # workers that get no device -> why
        self._leftovers = Leftovers()
        self.held: dict[str, dict[str, Place]] = {}  # worker address -> keys of its actors -> their places

    async def start(self, scheduler: Scheduler) -> None:
        make_current_frames_safe()
        self.scheduler = scheduler
        handlers = (self.dflow_join, self.dflow_ready, self.dflow_devices, self.dflow_heard, self.dflow_snapshot)
        for handler in (*handlers, self.dflow_hold, self.dflow_reset):
            scheduler.handlers[handler.__name__] = handler
        for worker in list(scheduler.workers):
            self.add_worker(scheduler, worker)
        for add in AT_START:
            try:
                add(scheduler)
            except Exception:
                logger.exception("%s could not be added to the scheduler", add.__name__)

    async def close(self) -> None:
        for setting_up in self.newcomers.values():
            setting_up.cancel()

    # -- workers

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self.newcomers[worker] = asyncio.create_task(self._set_up(worker))

    async def _set_up(self, worker: str) -> None:
        """Add the worker plugin to a worker, which then asks for its devices.

        A worker that does not answer gets the plugin again, as long as the scheduler knows it.  A worker that has
        declared its devices, and whose answer alone was lost, does not: Dask would take down the plugin that works
        there.

        Why not a plugin that Dask adds to all workers: the answer of one worker would not come before all have
        answered, and a worker that stands still for long would not be asked again.
        """
        while isinstance(error := await add_plugin(self.scheduler, worker, NAME, DflowWorker()), OSError):
            logger.info("%s does not answer yet: %s", worker, error)  # as long as the scheduler knows it
            await asyncio.sleep(timeouts.DEVICES_AGAIN)
            if worker not in self.newcomers:
                return
        if error is not None:
            self._refuse(worker, f"it could not be set up: {type(error).__name__}: {error}")

    def dflow_join(
        self,
        worker: str,
        name: str,
        incarnation: str,
        host: str,
        gpu: int | None,
        virtual_gpus: int,
        versions: dict[str, str],
    ) -> dict[str, Any]:
        """Give a worker its devices.  Returns {"devices": [...]}, or {"refused": reason}."""
        last = self.members.get(name)
        if last is not None and not last.lost and last.address != worker and last.address in self.scheduler.workers:
            return self._refuse(worker, f"worker {name!r} is there already, at {last.address}")
        try:
            devices = self.names.join(Applicant(name, host, gpu, virtual_gpus))
        except ValueError as error:
            return self._refuse(worker, str(error))
        virtual, before = gpu is None and virtual_gpus > 0, last is not None and (last.ready or last.before)
        self.members[name] = Member(name, worker, incarnation, devices, virtual, versions, before)
        return {"devices": devices}

    def _refuse(self, worker: str, why: str) -> dict[str, Any]:
        self.newcomers.pop(worker, None)
        self.refused[worker] = why
        logger.error("%s was given no device: %s", worker, why)
        self.scheduler.log_event("dflow", {"refused": worker, "why": why})
        return {"refused": why}

    def dflow_ready(self, name: str) -> None:
        """Note that a worker has declared its devices as resources."""
        self.members[name].ready = True
        self.newcomers.pop(self.members[name].address, None)
        self.version += 1

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **kwargs: Any) -> None:
        setting_up = self.newcomers.pop(worker, None)
        if setting_up is not None:
            setting_up.cancel()
        self.refused.pop(worker, None)
        for member in self.members.values():
            if member.address == worker and not member.lost:
                member.lost = True
                self.version += 1
                scheduler.log_event("dflow", {"lost": member.devices, "worker": worker})
        self._let_go(list(self.held.pop(worker, {})), stimulus_id)

    # -- sessions

    def update_graph(self, scheduler: Scheduler, **kwargs: Any) -> None:
        self._leftovers.one_more(scheduler)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        self._leftovers.one_more(scheduler)

    def dflow_devices(self) -> dict[str, Any]:
        """The table of devices, with the versions of the workers' software.

        A worker that has not declared its devices yet is listed as starting, with the devices that it is likely to get.
        """
        workers = [self.scheduler.workers[address] for address in self.newcomers if address in self.scheduler.workers]
        applicants = [(worker_name(w.name, w.address, w.nanny), get_address_host(w.address)) for w in workers]
        return {
            "scheduler": versions(),
            "version": self.version,
            "starting": [
                {"address": worker.address, "devices": devices}
                for worker, devices in zip(workers, self.names.expected(applicants), strict=True)
            ],
            "refused": self.refused,
            "members": [
                {
                    "address": member.address,
                    "incarnation": member.incarnation,
                    "devices": member.devices,
                    "virtual": member.virtual,
                    "lost": member.lost,
                    "versions": member.versions,
                }
                for member in self.members.values()
                if member.exists
            ],
        }

    def dflow_heard(self, worker: str) -> float | None:
        """The seconds since the last sign of life of a worker; None if the scheduler does not know it."""
        state = self.scheduler.workers.get(worker)
        return None if state is None else max(0.0, metrics.time() - state.last_seen)

    def dflow_hold(self, worker: str, key: str, place: Place) -> None:
        """Keep an actor alive after the end of its session."""
        if key in self.scheduler.tasks:
            self.held.setdefault(worker, {})[key] = place
            self.scheduler.client_desires_keys(keys=[key], client=HOLDER)

    def dflow_reset(self, containers: list[str]) -> None:
        """Release the actors of containers that were dropped."""
        for held in self.held.values():
            keys = [key for key, (device, own) in held.items() if own in containers_of(device, containers)]
            for key in keys:
                del held[key]
            self._let_go(keys, "dflow-reset")

    def _let_go(self, keys: list[str], stimulus_id: str) -> None:
        if keys:
            self.scheduler.client_releases_keys(keys=keys, client=HOLDER, stimulus_id=stimulus_id)

    # -- the dashboard

    def dflow_snapshot(self) -> dict[str, Any]:
        """The tables that all workers reported with their last heartbeats."""
        merged: dict[str, Any] = {"time": time.time(), "devices": [], "queues": [], "readers": []}
        merged |= {"loops": [], "containers": []}
        for address, state in self.scheduler.workers.items():
            for table, rows in state.metrics.get("dflow", {}).items():
                if table in merged and table != "time":
                    merged[table] += [row | {"worker": address} for row in rows]
        return merged
