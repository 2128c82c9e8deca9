"""What crosses a channel: one frozen data class a message.  It is pickled as its class and its fields.

A step belongs to an owner, a session or one of its loops, which may live in any process; `StepId` is (owner, number).
Elements that are on delivery carry a number; the receiver answers with `Settled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dflow.compile import LoopSpec
from dflow.errors import OpError
from dflow.runtime.base.ids import Edges, StepId
from dflow.specs import QueueSpec

PROTOCOL = 13  # raised with every change of these classes; client and workers must agree


def deliveries(message: Any) -> list[int]:
    """The deliveries that go with a message."""
    more = [delivery for _, delivery in getattr(message, "more", ())]
    return [delivery for delivery in (getattr(message, "delivery", None), *more) if delivery is not None]


@dataclass(frozen=True, slots=True)
class Install:
    """A session's plan for one device.  `blob` holds the pickled (DevicePlan without kernels, kernels by kind)."""

    session: str
    device: str
    plan: int
    blob: bytes
    call: int  # the number of the call, which is answered with a `Return`


@dataclass(frozen=True, slots=True)
class Forget:
    """Plans that the session will not use again."""

    session: str
    plan: int


@dataclass(frozen=True, slots=True)
class InstallLoop:
    """A loop that will be started, once, by a Dask task on this process."""

    spec: LoopSpec
    call: int


@dataclass(frozen=True, slots=True)
class StopLoop:
    """End a loop: with an error, what its iteration waits for as well."""

    session: str
    loop: str
    error: OpError | None


@dataclass(frozen=True, slots=True)
class LoopReport:
    """Values that a loop fetched."""

    session: str
    loop: str
    iteration: int
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LoopDone:
    """A loop came to its end, after so many steps, and has reported all that it will."""

    session: str
    loop: str
    steps: int


@dataclass(frozen=True, slots=True)
class Announce:
    """A cold step will come as Dask tasks: each of its segments may be run once."""

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

    delivery: of what comes with it from another part of the step, if that is on delivery.
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
    """The receiver has the elements (accepted), or they must go back."""

    delivery: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class QueueCall:
    """One attempt on a queue of the other process, outside of any part: a reader that needs a file name."""

    call: int
    session: str
    device: str
    queue: QueueSpec
    method: str
    arguments: tuple[Any, ...]
    owner: str  # whose it is, and which operation's, for reports; "" if that is not known
    op: str
    times: int = 1  # it may be made more often, if that does not wait


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The caller does not want the outcome of an `QueueCall` any more."""

    call: int


@dataclass(frozen=True, slots=True)
class Return:
    """The end of a call.  outcome: a value, which is arrays or None for an `QueueCall`, or an OpError.

    more: what further attempts of an `QueueCall` gave, arrays and their deliveries.
    """

    call: int
    outcome: Any = None
    delivery: int | None = None
    more: tuple[tuple[Any, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered at once: the other process knows all that was sent before, the session's `Hello` above all."""

    call: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Drop the state in containers of every device of the process."""

    containers: tuple[str, ...]  # empty: the default ones
    call: int


@dataclass(frozen=True, slots=True)
class EndOwner:
    """An owner of steps, such as a loop, was lost with its process: none of its steps goes on."""

    session: str
    owner: str
    error: OpError


@dataclass(frozen=True, slots=True)
class QueueRows:
    """How the queues of the process are, and who waits for them; answered with rows."""

    call: int


@dataclass(frozen=True, slots=True)
class EndSession:
    """The session closed."""

    session: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a channel: who speaks.

    session: that ends with this channel, if any.  sockets: may a plain socket carry the channel?
    """

    protocol: int
    peer: str
    session: str = ""
    sockets: bool = False
