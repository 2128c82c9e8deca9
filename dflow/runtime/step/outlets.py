"""Where the results of a part go: to the parts of its step on other devices, and to the owner of the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dflow.errors import OpError
from dflow.runtime.base.answers import Settle
from dflow.runtime.base.ids import Edges, StepId
from dflow.runtime.base.transfers import to_host
from dflow.runtime.transport import messages as m
from dflow.runtime.transport.lane import Lane


class Owner(Protocol):
    """Who is told of a part's results and of its end: a `Step`, or the lane to the process that has it."""

    def fetched(self, edges: Edges, loan: Settle | None, finished: str = "") -> object: ...

    def finished(self, device: str) -> None: ...

    def failed(self, device: str, error: OpError) -> None: ...

    def start_of(self, device: str) -> tuple[str, int, int] | None:
        """The session, the plan and the floor, if the part on `device` is to start with the next tensors for it."""


class RemoteOwner:
    """An owner at the other end of a lane, which starts all parts itself."""

    def __init__(self, lane: Lane, step: StepId) -> None:
        self.lane = lane
        self.step = step

    def fetched(self, edges: Edges, loan: Settle | None, finished: str = "") -> None:
        number = self.lane.lend(loan, self.step)
        self.lane.send(m.Fetched(self.step, on_host(edges), number, finished))

    def finished(self, device: str) -> None:
        self.lane.send(m.Finished(self.step, device))

    def failed(self, device: str, error: OpError) -> None:
        self.lane.send(m.Failed(self.step, device, error))

    def start_of(self, device: str) -> None:
        return None


class Receiver(Protocol):
    """A device of this process, as results see it."""

    def deliver(self, step: StepId, edges: Edges, loan: Settle | None) -> None: ...


class PartOutlet:
    """The outlet of one part.

    devices: of this process.  lane_to: gives the lane to an address.  addresses: of the step's devices.
    """

    def __init__(
        self,
        devices: Mapping[str, Receiver],
        lane_to: Callable[[str], Lane],
        step: StepId,
        addresses: Mapping[str, str],
        owner: Owner,
    ) -> None:
        self._devices = devices
        self._lane_to = lane_to
        self._step = step
        self._addresses = addresses
        self.owner = owner
        self.fetched = owner.fetched
        self.finished = owner.finished
        self.failed = owner.failed

    def send(self, device: str, edges: Edges, loan: Settle | None) -> None:
        """Tensors for the step's part on another device, of this process or of another one."""
        receiver = self._devices.get(device)
        if receiver is not None:
            receiver.deliver(self._step, edges, loan)
            return
        lane = self._lane_to(self._addresses[device])
        start, number = self.owner.start_of(device), lane.lend(loan)
        if start is None:
            lane.send(m.Deliver(self._step, device, on_host(edges), number))
        else:
            session, plan, floor = start
            lane.send(m.Start(session, device, plan, self._step, floor, on_host(edges), number))


def lane_of_owner(part: Any) -> Any:
    """The lane to the owner of a part; None if the owner is in this process."""
    return getattr(part.outlet.owner, "lane", None)


def on_host(edges: Edges) -> Edges:
    """Tensors as they cross a lane."""
    return [(edge, to_host(value)) for edge, value in edges]
