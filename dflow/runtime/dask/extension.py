"""The scheduler extension: which worker is which device, which keys keep state alive, what the dashboard shows.

A session registers it.  It holds no queue and no value, and takes part in no step.
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

AT_START: list[Callable[[Scheduler], None]] = []  # what else the extension adds to the scheduler, such as its page
HOLDER = "dflow"  # the client, for the scheduler, that wants the keys of shared state
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
    before: bool = False  # were its devices declared in an earlier life?
    ready: bool = False  # the scheduler knows its devices as resources
    lost: bool = False

    @property
    def exists(self) -> bool:
        """Has it devices, for sessions?  One that is gone before it declared them has those that it had before."""
        return self.ready or (self.lost and self.before)


class DflowExtension(SchedulerPlugin):
    """dflow's half on the scheduler."""

    name = NAME
    idempotent = True

    def __init__(self) -> None:
        self.names = DeviceNames()
        self.members: dict[str, Member] = {}  # by the worker's name
        self.version = 0
        self.newcomers: dict[str, asyncio.Task[None]] = {}  # workers without a device yet -> what sets them up
        self.refused: dict[str, str] = {}  # workers that get no device -> why
        self._leftovers = Leftovers()
        self.held: dict[str, dict[str, Place]] = {}  # worker address -> keys of actors there, and what they are in

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
        """Have a worker ask for its devices.

        Why not by a plugin that Dask gives to all workers: nobody would hear of one worker's answer before all have
        answered, and one that stands still for long is not asked again.  One whose answer alone was lost is not asked
        again either: Dask would take down the plugin that works there.
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
        """A worker asks for its devices: {"devices": [...]}, or {"refused": why}."""
        known = self.members.get(name)
        if known is not None and not known.lost and known.address != worker and known.address in self.scheduler.workers:
            return self._refuse(worker, f"worker {name!r} is there already, at {known.address}")
        try:
            devices = self.names.join(Applicant(name, host, gpu, virtual_gpus))
        except ValueError as error:
            return self._refuse(worker, str(error))
        virtual, before = gpu is None and virtual_gpus > 0, known is not None and (known.ready or known.before)
        self.members[name] = Member(name, worker, incarnation, devices, virtual, versions, before)
        return {"devices": devices}

    def _refuse(self, worker: str, why: str) -> dict[str, Any]:
        self.newcomers.pop(worker, None)
        self.refused[worker] = why
        logger.error("%s was given no device: %s", worker, why)
        self.scheduler.log_event("dflow", {"refused": worker, "why": why})
        return {"refused": why}

    def dflow_ready(self, name: str) -> None:
        """The worker has declared its devices as resources."""
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

        A worker that the scheduler knows, and that has not asked for its devices, has those that it is likely to get.
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
        """How many seconds ago a worker has given a sign of life; None if the scheduler does not know it."""
        known = self.scheduler.workers.get(worker)
        return None if known is None else max(0.0, metrics.time() - known.last_seen)

    def dflow_hold(self, worker: str, key: str, place: Place) -> None:
        """Keep an actor alive beyond its session."""
        if key in self.scheduler.tasks:
            self.held.setdefault(worker, {})[key] = place
            self.scheduler.client_desires_keys(keys=[key], client=HOLDER)

    def dflow_reset(self, containers: list[str]) -> None:
        """These containers were dropped: so are their actors."""
        for held in self.held.values():
            gone = [key for key, (device, its) in held.items() if its in containers_of(device, containers)]
            for key in gone:
                del held[key]
            self._let_go(gone, "dflow-reset")

    def _let_go(self, keys: list[str], stimulus_id: str) -> None:
        if keys:
            self.scheduler.client_releases_keys(keys=keys, client=HOLDER, stimulus_id=stimulus_id)

    # -- the dashboard

    def dflow_snapshot(self) -> dict[str, Any]:
        """What all workers reported with their last heartbeats."""
        merged: dict[str, Any] = {"time": time.time(), "devices": [], "queues": [], "readers": []}
        merged |= {"loops": [], "containers": []}
        for address, state in self.scheduler.workers.items():
            for table, rows in state.metrics.get("dflow", {}).items():
                if table in merged and table != "time":
                    merged[table] += [row | {"worker": address} for row in rows]
        return merged
