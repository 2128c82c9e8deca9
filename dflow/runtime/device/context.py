"""The context of a stateful kernel: its device, its session and the state there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dflow.errors import OpInfo
from dflow.runtime.device.device import Device


class Context:
    """The context of one operation of an installed plan, see `KernelContext` in `dflow/registry.py`.

    addresses: device -> the address of its process, for queues on other devices.
    """

    __slots__ = ("_addresses", "_executor", "cache", "device", "op", "session", "xp")

    def __init__(self, executor: Device, op: OpInfo, session: str, addresses: Mapping[str, str]) -> None:
        self._executor = executor
        self._addresses = addresses
        self.cache: dict[int, tuple[Any, Any]] = {}
        self.device = executor.name
        self.op = op.name
        self.session = session
        self.xp = executor.xp

    def asarray(self, value: Any) -> Any:
        """A host array as an array of the device."""
        return self._executor.asarray(value)

    def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        """The state of the device under `key`; made by `make()` at first use."""
        return self._executor.state.resource(key, make)

    def resource_of(self, spec: Any) -> Any:
        """The queue or the reader that `spec` describes; made at first use.

        It is looked up once, and again after it was dropped, as a lookup takes as long as an enqueue.
        """
        entry = self.cache.get(id(spec))
        if entry is None or entry[1].detached:
            resource = self._executor.resource_of(spec, self.session)
            entry = self.cache[id(spec)] = (spec, resource)  # with the spec, so that its id stays its own
        return entry[1]

    def dequeue_from(self, device: str, queue: Any, reply: Callable[..., None]) -> Callable[[], None]:
        """Dequeue one element of a queue on any device, outside of the step; returns the function that withdraws it."""
        return self._executor.process.call_queue(
            self.session, device, self._addresses.get(device, ""), queue, "dequeue", reply
        )

    def start_loop(self, loop: Any, operands: Sequence[Any], reply: Callable[..., None]) -> Callable[[], None]:
        """Start a `while_loop` whose iterations are steps; returns the function that withdraws it."""
        return self._executor.process.start_loop(self.session, loop, operands, reply)

    def per_session(self, make: Callable[[], Any]) -> Any:
        """State of this operation in this session on this device, such as its random generator."""
        return self._executor.session(self.session).op_state(self.op, make)

    def spawn(self, work: Callable[[], None]) -> None:
        """Do work that may take long or wait, in a thread of its own."""
        self._executor.spawn(work, self.op)
