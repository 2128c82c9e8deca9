"""The scheduler extension: which worker is which device, which keys keep state alive, what the dashboard shows.

A session registers it.  It holds no queue and no value, and takes part in no step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin

from dflow.runtime.naming import Applicant, DeviceNames
from dflow.runtime.versions import versions

if TYPE_CHECKING:
    from distributed import Scheduler

logger = logging.getLogger("dflow.extension")

AT_START: list[Callable[[Scheduler], None]] = []  # what else the extension adds to the scheduler, such as its page
HOLDER = "dflow"  # the client, for the scheduler, that wants the keys of shared state
NAME = "dflow"
JOIN_TIMEOUT = 15.0  # seconds in which a worker asks for its devices; one that does not keeps nobody waiting


@dataclass
class Member:
    """A worker that has devices."""

    name: str
    address: str
    devices: list[str]
    virtual: bool
    versions: dict[str, str]
    ready: bool = False  # the scheduler knows its devices as resources
    lost: bool = False


class DflowExtension(SchedulerPlugin):
    """dflow's half on the scheduler."""

    name = NAME
    idempotent = True

    def __init__(self) -> None:
        self.names = DeviceNames()
        self.members: dict[str, Member] = {}  # by the worker's name
        self.version = 0
        self.newcomers: dict[str, float] = {}  # workers without a device yet -> since when; refused ones are not here
        self.held: dict[str, set[str]] = {}  # worker address -> keys of actors there

    async def start(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.newcomers = dict.fromkeys(scheduler.workers, time.monotonic())
        for handler in (self.dflow_join, self.dflow_ready, self.dflow_devices, self.dflow_hold, self.dflow_snapshot):
            scheduler.handlers[handler.__name__] = handler
        for add in AT_START:
            try:
                add(scheduler)
            except Exception:
                logger.exception("%s could not be added to the scheduler", add.__name__)

    # -- workers

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self.newcomers[worker] = time.monotonic()

    def dflow_join(
        self,
        worker: str,
        name: str,
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
        self.members[name] = Member(name, worker, devices, gpu is None and virtual_gpus > 0, versions)
        return {"devices": devices}

    def _refuse(self, worker: str, why: str) -> dict[str, Any]:
        self.newcomers.pop(worker, None)
        logger.error("%s was given no device: %s", worker, why)
        self.scheduler.log_event("dflow", {"refused": worker, "why": why})
        return {"refused": why}

    def dflow_ready(self, name: str) -> None:
        """The worker has declared its devices as resources."""
        self.members[name].ready = True
        self.newcomers.pop(self.members[name].address, None)
        self.version += 1

    def remove_worker(self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **kwargs: Any) -> None:
        self.newcomers.pop(worker, None)
        for member in self.members.values():
            if member.address == worker and not member.lost:
                member.lost = True
                self.version += 1
                scheduler.log_event("dflow", {"lost": member.devices, "worker": worker})
        keys = self.held.pop(worker, set())
        if keys:
            scheduler.client_releases_keys(keys=list(keys), client=HOLDER, stimulus_id=stimulus_id)

    # -- sessions

    def dflow_devices(self) -> dict[str, Any]:
        """The table of devices, with the versions of the workers' software."""
        now = time.monotonic()
        waiting = [address for address, since in self.newcomers.items() if now - since < JOIN_TIMEOUT]
        return {
            "scheduler": versions(),
            "version": self.version,
            "waiting": waiting,
            "members": [
                {
                    "address": member.address,
                    "devices": member.devices,
                    "virtual": member.virtual,
                    "lost": member.lost,
                    "versions": member.versions,
                }
                for member in self.members.values()
                if member.ready
            ],
        }

    def dflow_hold(self, worker: str, keys: list[str]) -> None:
        """Keep actors alive beyond their sessions."""
        known = [key for key in keys if key in self.scheduler.tasks]
        self.held.setdefault(worker, set()).update(known)
        self.scheduler.client_desires_keys(keys=known, client=HOLDER)

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
