"""The state of one device: its containers, with the variables, queues and readers in them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dflow.devices import containers_of
from dflow.runtime.resources.container import Container
from dflow.runtime.resources.shared_queue import SharedQueue
from dflow.runtime.resources.shared_reader import SharedReader
from dflow.specs import ResourceKey

_Shared = SharedQueue | SharedReader


class DeviceState:
    """Containers by name, made at first use.  device: its full name."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}

    def container(self, name: str) -> Container:
        """The container of this name; made, empty, at first use."""
        with self._lock:
            return self._container(name)

    def _container(self, name: str) -> Container:
        container = self._containers.get(name)
        if container is None:
            container = self._containers[name] = Container(name, self.device)
        return container

    def resource(self, key: ResourceKey, make: Callable[[], Any]) -> Any:
        """The state under `key`; made by `make()` if it is not there yet."""
        with self._lock:  # otherwise a reset might drop the container in between
            return self._container(key.container).get_or_create(key, make)

    def reset(self, containers: Iterable[str]) -> None:
        """Drop the named containers with their state; waiting attempts end with AbortedError.

        The default container has the name "", and also that of the job of this device.
        """
        names = containers_of(self.device, containers)
        with self._lock:
            dropped = [self._containers.pop(name) for name in names if name in self._containers]
        for container in dropped:
            container.drop(lambda key: True, "was reset")

    def drop_session(self, session: str) -> None:
        """Drop the private state of a session."""
        for container in self._all():
            container.drop(lambda key: key.session == session, "belonged to a session that ended")

    # -- rows for the dashboard

    def queue_rows(self) -> list[dict[str, Any]]:
        """The rows of the queues.  Waits only for their locks, which are never held for long."""
        return self._rows(SharedQueue, {})

    def rows(self, users: Mapping[ResourceKey, list[str]]) -> dict[str, list[dict[str, Any]]]:
        """The rows of queues, readers and containers.  users: the sessions that use each queue and reader."""
        queues, readers = self._rows(SharedQueue, users), self._rows(SharedReader, users)
        return {"queues": queues, "readers": readers, "containers": [c.row() for c in self._all()]}

    def _rows(self, kind: type[_Shared], users: Mapping[ResourceKey, list[str]]) -> list[dict[str, Any]]:
        items = [pair for container in self._all() for pair in container.items().items()]
        where = {"device": self.device}
        return [item.row() | where | {"sessions": users.get(key, [])} for key, item in items if isinstance(item, kind)]

    def _all(self) -> list[Container]:
        with self._lock:
            return list(self._containers.values())
