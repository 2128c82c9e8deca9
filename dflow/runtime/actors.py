"""Containers, queues and readers as Dask actors.

The actor is the device host's own object, so that Dask sees the state, its dashboard lists it, and `retire_workers`
and adaptive scaling keep off it.  Users may call an actor (`Session.actor`); dflow itself goes by lane.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from distributed import Client, Future

from dflow.compile import Plan
from dflow.runtime.dask_client import ask_scheduler
from dflow.runtime.worker import SHARE, current_plugin
from dflow.specs import QueueSpec, ReaderSpec, VariableSpec


def host_object(device: str, spec: Any, session: str) -> Any:
    """The Dask task that gives a host's own object: a container (spec is its name), a queue or a reader."""
    host = current_plugin().process.hosts[device]
    return host.container(spec) if isinstance(spec, str) else host.machine(spec, session)


class ActorKeeper:
    """Makes the actors of the state that a session's plans touch."""

    def __init__(self, client: Client, session: str) -> None:
        self._client = client
        self._session = session
        self._lock = threading.Lock()
        self._futures: dict[str, Future[Any]] = {}

    def keep(self, plan: Plan) -> None:
        """Make what is missing, without waiting for it."""
        for device, part in plan.parts.items():
            for segment in part.segments:
                for instruction in segment.instructions:
                    self._keep_specs(device, plan.addresses[device], instruction.op.kind, instruction.attrs)

    def _keep_specs(self, device: str, address: str, kind: str, attrs: dict[str, Any]) -> None:
        variable = attrs.get("variable")
        if isinstance(variable, VariableSpec):
            self._keep(device, address, variable.container, "container", variable.container or "default", shared=True)
        machine = attrs.get("reader") or (None if kind.startswith("Reader") else attrs.get("queue"))
        if isinstance(machine, (QueueSpec, ReaderSpec)):
            self._keep(device, address, machine, machine.kind, machine.name, shared=bool(machine.shared_name))

    def _keep(self, device: str, address: str, spec: Any, kind: str, name: str, shared: bool) -> None:
        owner = "" if shared else self._session
        container = "" if isinstance(spec, str) else spec.container
        # The address is part of the key: a key that is reused after a worker's death stays lost in Dask.
        identity = hashlib.sha1(f"{address} {device} {container} {name} {owner}".encode()).hexdigest()
        key = f"{kind}:{name}-{identity}"
        with self._lock:
            if key in self._futures:
                return
            future = self._futures[key] = self._client.submit(
                host_object, device, spec, self._session, key=key, actor=True, resources={device: SHARE}, pure=False
            )
        if shared:
            future.add_done_callback(lambda done: self._hold(address, done))

    def _hold(self, address: str, future: Future[Any]) -> None:
        """Let the scheduler extension keep the actor alive beyond this session."""
        if future.status == "finished":
            ask_scheduler(self._client, "dflow_hold", worker=address, keys=[future.key])

    def find(self, kind: str, name: str) -> Any:
        """The actor of a container, a queue or a reader that a plan touched; None if there is none."""
        with self._lock:
            future = next((f for key, f in self._futures.items() if key.startswith(f"{kind}:{name}-")), None)
        return None if future is None else future.result()
