"""The messages of a channel: a frozen data class for each.  A message is pickled as its class and its fields.

A step belongs to an owner (a session, or a loop or push of it), which may live in any process; `StepId` is (owner,
number).  A message that brings a delivery has the number of the delivery; the receiver answers with `Settled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import OpError
from dflow.runtime.base.ids import Edges, StepId
from dflow.specs import QueueSpec

PROTOCOL = 15  # raised with every change of these classes; client and workers must agree


def deliveries(message: Any) -> list[int]:
    """The numbers of the deliveries that a message brings."""
    further = [delivery for _, delivery in getattr(message, "more", ())]
    return [delivery for delivery in (getattr(message, "delivery", None), *further) if delivery is not None]


@dataclass(frozen=True, slots=True)
class Install:
    """Install a session's part of a plan for one device.  blob: the bytes of `base/code.py`, `dump_part`."""

    session: str
    device: str
    plan: int
    blob: bytes
    call: int  # the number of the call, whose answer is a `Return`


@dataclass(frozen=True, slots=True)
class Forget:
    """Forget a plan: the session will not use it again."""

    session: str
    plan: int


@dataclass(frozen=True, slots=True)
class TakeTrace:
    """Return the kernel calls of a traced plan on a device, which forgets them."""

    session: str
    device: str
    plan: int
    call: int


@dataclass(frozen=True, slots=True)
class InstallLoop:
    """Announce a loop: a Dask task in the receiving process will start it, once."""

    spec: LoopSpec
    call: int


@dataclass(frozen=True, slots=True)
class StopLoop:
    """End a loop after its current iteration.  error: ends the waits of this iteration, too."""

    session: str
    loop: str
    error: OpError | None


@dataclass(frozen=True, slots=True)
class LoopReport:
    """The fetched values of one iteration of a loop."""

    session: str
    loop: str
    iteration: int
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LoopDone:
    """A loop has ended, after so many steps; no more reports come."""

    session: str
    loop: str
    steps: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Announce a cold step, whose segments are Dask tasks: each segment may be run once."""

    session: str
    device: str
    plan: int
    step: StepId
    low_water: int
    feeds: Edges
    call: int


@dataclass(frozen=True, slots=True)
class Start:
    """Run a step's part on one device.

    feeds: fed values, and tensors of another part of the step if these start the part.  delivery: that of the tensors.
    """

    session: str
    device: str
    plan: int
    step: StepId
    low_water: int
    feeds: Edges
    delivery: int | None = None


@dataclass(frozen=True, slots=True)
class Deliver:
    """Tensors for the part on `device`."""

    step: StepId
    device: str
    edges: Edges
    delivery: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """Tensors for the owner.  finished: the device, if its part ended with them."""

    step: StepId
    edges: Edges
    delivery: int | None
    finished: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The part on `device` ran to its end."""

    step: StepId
    device: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The part on `device` failed."""

    step: StepId
    device: str
    error: OpError


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the part on `device`."""

    step: StepId
    device: str
    error: OpError


@dataclass(frozen=True, slots=True)
class Settled:
    """Settle a delivery: the receiver has the elements (accepted), or they go back to their queue."""

    delivery: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class QueueCall:
    """One attempt on a queue of the other process, outside of any part, such as that of a reader for a file name."""

    call: int
    session: str
    device: str
    queue: QueueSpec
    method: str
    arguments: tuple[Any, ...]
    owner: str  # the owner of the attempt, for reports; "" if it is not known
    op: str  # the name of its operation, for reports
    times: int = 1  # attempts like it that may be answered together, if the others need not wait


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw the attempt of a `QueueCall`."""

    call: int


@dataclass(frozen=True, slots=True)
class Return:
    """The answer to a call.  outcome: a value, which is arrays or None for a `QueueCall`, or an OpError.

    more: the arrays and the deliveries of further attempts of a `QueueCall`.
    Not to be confused with `Reply`, the end of an attempt in a queue's or a reader's machine (`dflow/machines`).
    """

    call: int
    outcome: Any = None
    delivery: int | None = None
    more: tuple[tuple[Any, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Ping:
    """A request that is answered at once: then the process has handled all earlier messages, such as `Hello`."""

    call: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Drop the state in containers of every device of the process."""

    containers: tuple[str, ...]  # empty: the default ones
    call: int


@dataclass(frozen=True, slots=True)
class EndOwner:
    """End all steps of an owner, such as a loop, which was lost with its process."""

    session: str
    owner: str
    error: OpError


@dataclass(frozen=True, slots=True)
class QueueRows:
    """A request for the rows of the queues of the process: their states and the attempts that wait for them."""

    call: int


@dataclass(frozen=True, slots=True)
class EndSession:
    """End the session: it was closed."""

    session: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a channel.  peer: the name of the process that opens it.

    session: the one that ends with this channel, if any.  sockets: whether a plain socket may carry the channel.
    """

    protocol: int
    peer: str
    session: str = ""
    sockets: bool = False
