"""A device: its arrays, its queues, readers and variables, and the sessions that use them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from dflow.compile import LoopSteps, Threads
from dflow.errors import InvalidArgumentError
from dflow.registry import ReaderFormat
from dflow.runtime.base.answers import Answer, Withdraw
from dflow.runtime.base.failures import unknown_session
from dflow.runtime.base.transfers import to_device
from dflow.runtime.resources.device_state import DeviceState
from dflow.runtime.resources.shared_queue import SharedQueue, same_queue
from dflow.runtime.resources.shared_reader import SharedReader
from dflow.specs import QueueSpec, ReaderSpec, ResourceKey


class Services(Protocol):
    """The services of its process for a device; see `step/process.py`."""

    def allow(self, session: str, threads: Threads) -> AbstractContextManager[Any]: ...

    def call_queue(
        self,
        session: str,
        device: str,
        address: str,
        queue: QueueSpec,
        method: str,
        answer: Answer,
        *arguments: Any,
    ) -> Withdraw: ...

    def start_loop(self, session: str, loop: LoopSteps, operands: Sequence[Any], reply: Answer) -> Withdraw: ...


class DeviceSession:
    """The data of one session on one device: its formats, the resources that it used, the states of its operations."""

    def __init__(self) -> None:
        self.formats: dict[str, Callable[..., ReaderFormat]] = {}  # of readers, as the session's program defines them
        self.used: set[ResourceKey] = set()  # queues and readers
        self._op_states: dict[str, Any] = {}
        self._lock = threading.Lock()

    def op_state(self, op: str, make: Callable[[], Any]) -> Any:
        """State of one operation in this session."""
        with self._lock:
            if op not in self._op_states:
                self._op_states[op] = make()
            return self._op_states[op]


class Device:
    """One device.

    xp: its array namespace.  virtual: a CPU in the role of a GPU.
    scope: makes the context manager in which arrays of the device are made and its programs run, such as CuPy's device;
    one for each use, since it belongs to one thread.
    """

    def __init__(
        self,
        name: str,
        xp: Any = np,
        virtual: bool = False,
        scope: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.name = name
        self.xp = xp
        self.scope = scope
        self.virtual = virtual
        self.state = DeviceState(name)
        self.process: Services  # set by Process.add_executor
        self._lock = threading.RLock()
        self._sessions: dict[str, DeviceSession] = {}

    def asarray(self, value: Any) -> Any:
        """A host array as an array of this device."""
        with self.scope():
            return to_device(value, self.xp)

    def synchronize(self) -> None:
        """Wait until the device has computed what this thread asked it for.  A CPU computes it at once."""
        if hasattr(self.xp, "cuda"):
            with self.scope():
                self.xp.cuda.get_current_stream().synchronize()

    # -- queues and readers

    def resource_of(self, spec: QueueSpec | ReaderSpec, session: str) -> Any:
        """The queue or reader of a spec, made at first use.

        InvalidArgumentError if another queue, or reader, has its name; AbortedError for a session that is not known.
        """
        _check_name(spec)
        owner = "" if spec.shared_name else session
        if isinstance(spec, QueueSpec):
            return self._queue(spec, ResourceKey("queue", spec.container, spec.name, owner), session)
        return self._reader(spec, ResourceKey("reader", spec.container, spec.name, owner), session)

    def _queue(self, spec: QueueSpec, key: ResourceKey, session: str) -> SharedQueue:
        with self._lock:  # otherwise the session might end in between, and leave a queue behind
            self.session(session).used.add(key)
            queue: SharedQueue = self.state.resource(key, lambda: SharedQueue(spec))
        same_queue(queue.spec, spec)
        return queue

    def _reader(self, spec: ReaderSpec, key: ResourceKey, session: str) -> SharedReader:
        def make() -> SharedReader:
            make_format = data.formats[spec.kind]
            return SharedReader(spec, lambda: make_format(**dict(spec.options)))

        with self._lock:
            data = self.session(session)
            data.used.add(key)
            reader: SharedReader = self.state.resource(key, make)
        if reader.spec.kind != spec.kind:
            fact = f"'{key}' on {self.name} has type {reader.spec.kind}, expected {spec.kind}"
            raise InvalidArgumentError(None, None, fact)
        return reader

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the dashboard: queues and readers, with the sessions that use them, and containers."""
        with self._lock:
            used = [(session, key) for session, data in self._sessions.items() for key in data.used]
        users: dict[ResourceKey, list[str]] = {}
        for session, key in used:
            users.setdefault(key, []).append(session)
        return self.state.rows(users)

    # -- sessions

    def begin_session(self, session: str) -> None:
        """Let a session use this device, until `drop_session`."""
        with self._lock:
            self._sessions.setdefault(session, DeviceSession())

    def session(self, session: str) -> DeviceSession:
        """The data of a session on this device; AbortedError if it did not begin here, or has ended."""
        with self._lock:
            data = self._sessions.get(session)
        if data is None:
            raise unknown_session(session, self.name)
        return data

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Do work that may wait, in a thread of its own."""
        threading.Thread(target=work, name=f"dflow-{name}", daemon=True).start()


def _check_name(spec: QueueSpec | ReaderSpec) -> None:
    if spec.shared_name.startswith("_"):
        raise InvalidArgumentError(None, None, f"shared_name {spec.shared_name!r} must not start with '_'")
    if any(not (c.isalnum() or c in "_.-/") for c in spec.container):
        raise InvalidArgumentError(
            None, None, f"container {spec.container!r} contains invalid characters; letters, digits, _ . - / are valid"
        )
