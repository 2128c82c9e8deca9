"""Containers, queues and readers as Dask actors.

A session makes the actors of the state that its plans use.  An actor is the device executor's own object.  So Dask
knows of the state: its dashboard lists it, and `retire_workers` and adaptive scaling do not remove its worker.  Users
may call an actor (`Session.actor`); dflow itself uses channels.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import Client, Future

from dflow.compile import Plan
from dflow.errors import NotFoundError, UnavailableError
from dflow.runtime.base import timeouts
from dflow.runtime.dask.client import ask_scheduler, in_our_span
from dflow.runtime.dask.extension import Place
from dflow.runtime.dask.worker import SHARE, current_plugin
from dflow.runtime.resources.used_state import state_of
from dflow.specs import TableSpec, VariableSpec

Identity = tuple[str, ...]  # device, kind, container, name, and the session of private state


def executor_object(device: str, spec: Any, session: str) -> Any:
    """The Dask task that returns an object of a device executor: a container (spec: its name), a queue or a reader."""
    executor = current_plugin().process.executors[device]
    return executor.state.container(spec) if isinstance(spec, str) else executor.resource_of(spec, session)


class ActorKeeper:
    """Makes the actors of the state that a session's plans use.

    process_at: returns the incarnation of the worker at an address.
    """

    def __init__(self, client: Client, session: str, process_at: Callable[[str], str]) -> None:
        self._client = client
        self._session = session
        self._process_at = process_at
        self._lock = threading.Lock()
        self._all_held = threading.Condition(self._lock)
        self._unheld: set[str] = set()  # keys of shared state that the scheduler does not hold yet
        self._futures: dict[Identity, Future[Any]] = {}  # that of a lost worker is replaced by the next one
        self._identities: dict[Any, Identity] = {}  # by the spec of a variable, a queue or a reader

    def keep(self, plan: Plan) -> None:
        """Make the actors of a plan's state that are missing, without waiting for them."""
        for use in state_of(plan):
            spec = use.spec
            if isinstance(spec, (VariableSpec, TableSpec)):
                container = spec.container
                self._keep(spec, use.device, use.address, container, "container", container or "default", shared=True)
            elif use.device == use.op_device:  # a reader does not make the queue of its file names
                self._keep(spec, use.device, use.address, spec, spec.kind, spec.name, bool(spec.shared_name))

    def _keep(self, user: Any, device: str, address: str, spec: Any, kind: str, name: str, shared: bool) -> None:
        owner = "" if shared else self._session
        container = spec if isinstance(spec, str) else spec.container
        identity = (device, kind, container, name, owner)
        # The process is part of the key: Dask would count a key that is reused after a worker's death as lost.
        process = f"{address} {self._process_at(address)}"
        digest = hashlib.sha1(f"{process} {device} {container} {name} {owner}".encode()).hexdigest()
        # The name is in quotes, so that Dask takes `kind` for the kind of the task: its scheduler keeps kinds for ever.
        key = f"{kind}-'{name}'-{digest}"
        with self._lock:
            self._identities[user] = identity
            if identity in self._futures and self._futures[identity].key == key:
                return
            with in_our_span():
                future = self._futures[identity] = self._client.submit(
                    executor_object,
                    device,
                    spec,
                    self._session,
                    key=key,
                    actor=True,
                    resources={device: SHARE},
                    pure=False,
                )
            if shared:
                self._unheld.add(key)
        if shared:
            future.add_done_callback(lambda done: self._hold(address, (device, container), done))

    def _hold(self, address: str, place: Place, future: Future[Any]) -> None:
        """Have the scheduler extension keep the actor alive after the end of this session."""
        try:
            if future.status == "finished":
                with suppress(OSError):  # the session has closed: the next one that uses the state makes a new actor
                    ask_scheduler(self._client, "dflow_hold", worker=address, key=future.key, place=place)
        finally:
            with self._all_held:
                self._unheld.discard(future.key)
                self._all_held.notify_all()

    def keys(self) -> tuple[str, ...]:
        """The keys of the actors."""
        with self._lock:
            return tuple(str(future.key) for future in self._futures.values())

    def wait(self, timeout: float) -> None:
        """Wait until the scheduler holds all shared state, at most `timeout` seconds."""
        with self._all_held:
            self._all_held.wait_for(lambda: not self._unheld, timeout)

    def find(self, spec: Any) -> Any:
        """The actor of a queue or a reader, or of the container of a variable.

        NotFoundError if no plan of the session used it; UnavailableError if its worker was lost.
        """
        with self._lock:
            identity = self._identities.get(spec)
            future = None if identity is None else self._futures[identity]
        if future is None:
            raise NotFoundError(None, None, f"{spec.name!r} was not used in this session yet: its actor is made then")
        try:
            actor = future.result(timeouts.ACTOR)
        except Exception as error:
            raise UnavailableError(None, None, f"the worker that holds {spec.name!r} was lost: {error}") from error
        with self._client.as_current():  # an actor uses the client that is current when it is made
            make, arguments = actor.__reduce__()
            return make(*arguments)
