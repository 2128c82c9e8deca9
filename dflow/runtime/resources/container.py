"""A container of one device: named state that outlives steps and, on a cluster, sessions.

On a cluster, each container, and each queue and reader in it, is also a Dask actor.  The object behind the actor's key
is the one that the device's operations use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dflow.errors import NotFoundError
from dflow.ops.state.variable_state import VariableState
from dflow.runtime.base.transfers import to_host
from dflow.specs import ResourceKey


class Container:
    """Variables, queues and readers by name.  name: "" is the device's default container."""

    def __init__(self, name: str, device: str) -> None:
        self.name = name
        self.device = device
        self._lock = threading.Lock()
        self._items: dict[ResourceKey, Any] = {}

    def get_or_create(self, key: ResourceKey, make: Callable[[], Any]) -> Any:
        """The object of a key, made by `make` at the first call: one dictionary access under the lock."""
        with self._lock:
            item = self._items.get(key)
            if item is None:
                item = self._items[key] = make()
            return item

    def items(self) -> dict[ResourceKey, Any]:
        with self._lock:
            return dict(self._items)

    def drop(self, which: Callable[[ResourceKey], bool], why: str) -> None:
        """Drop the items that `which` picks; attempts on them end with AbortedError, whose text includes `why`."""
        with self._lock:
            dropped = {key: item for key, item in self._items.items() if which(key)}
            for key in dropped:
                del self._items[key]
        for key, item in dropped.items():
            if hasattr(item, "abort"):
                item.abort(f"'{key.name}' on {self.device} {why}")

    # -- for callers of the actor

    def variables(self) -> dict[str, tuple[int, ...]]:
        """The shape of each variable that has a value."""
        return {name: tuple(v.read().shape) for name, v in self._variables().items() if v.initialized}

    def read(self, names: Iterable[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Values of variables, in one call; all of them by default.  NotFoundError for a name without a value."""
        variables = self._variables()
        chosen = list(names) if names is not None else [name for name, v in variables.items() if v.initialized]
        self._check(chosen, variables)
        return {name: np.asarray(to_host(variables[name].read())) for name in chosen}

    def write(self, values: Mapping[str, Any]) -> None:
        """Assign to variables that exist, in one call.  NotFoundError, and nothing is written, for another name."""
        variables = self._variables()
        self._check(values, variables)
        for name, value in values.items():
            variables[name].assign(np.array(value))

    def row(self) -> dict[str, Any]:
        """The row of the container on the dashboard."""
        variables = self._variables().values()
        return {
            "container": self.name,
            "device": self.device,
            "variables": len(variables),
            "bytes": sum(variable.nbytes for variable in variables),
        }

    def _variables(self) -> dict[str, VariableState]:
        return {key.name: item for key, item in self.items().items() if isinstance(item, VariableState)}

    def _check(self, names: Iterable[str], variables: Mapping[str, Any]) -> None:
        missing = sorted(name for name in names if name not in variables)
        if missing:
            raise NotFoundError(
                None,
                None,
                f"container {self.name!r} on {self.device} has no variables {missing}; it has {sorted(variables)}",
            )
