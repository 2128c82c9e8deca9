"""Routers: send the results of a step's parts to its parts on other devices, and to its owner.

The router of a part is its `Step` if the owner is in this process, and a `RemoteOwner` otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dflow.errors import OpError
from dflow.runtime.base.answers import Settle
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.base.transfers import to_host
from dflow.runtime.device.executor import DeviceExecutor
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.channel import Channel


class ResultRouter:
    """Routes the results of the parts that a step has in this process.  Each kind of owner has a subclass.

    id: of the step.  devices: of this process.  channel_to: returns the channel to an address.
    """

    channel: Channel | None = None  # to the owner; None if it is in this process

    def __init__(
        self, step: StepId, devices: Mapping[str, DeviceExecutor], channel_to: Callable[[str], Channel]
    ) -> None:
        self.id = step
        self._devices = devices
        self._channel_to = channel_to

    def send(self, device: str, address: str, edges: Edges, delivery: Settle | None) -> None:
        """Send tensors to the step's part on another device, of this process or of the one at `address`."""
        executor = self._devices.get(device)
        if executor is not None:
            executor.deliver(self.id, edges, delivery)
            return
        channel, crossing = self._channel_to(address), on_host(edges)
        channel.send(self._message(device, crossing, None if delivery is None else channel.add_delivery(delivery)))

    def _message(self, device: str, edges: Edges, delivery: int | None) -> Any:
        """The message that brings tensors to a part in another process."""
        return m.Deliver(self.id, device, edges, delivery)


class RemoteOwner(ResultRouter):
    """The router of parts whose owner is at the other end of a channel.  The owner starts all parts itself."""

    channel: Channel

    def __init__(
        self,
        channel: Channel,
        step: StepId,
        devices: Mapping[str, DeviceExecutor],
        channel_to: Callable[[str], Channel],
    ) -> None:
        super().__init__(step, devices, channel_to)
        self.channel = channel

    def fetched(self, edges: Edges, delivery: Settle | None, finished: str = "") -> None:
        number = None if delivery is None else self.channel.add_delivery(delivery, self.id)
        self.channel.send(m.Fetched(self.id, on_host(edges), number, finished))

    def finished(self, device: str) -> None:
        self.channel.send(m.Finished(self.id, device))

    def failed(self, device: str, error: OpError) -> None:
        self.channel.send(m.Failed(self.id, device, error))


def on_host(edges: Edges) -> Edges:
    """The tensors in host memory, as they cross a channel."""
    return [(edge, to_host(value)) for edge, value in edges]
