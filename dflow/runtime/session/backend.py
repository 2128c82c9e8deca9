"""What a session asks of the place where its plans run: this process (`local.py`) or a cluster (`cluster.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from dflow.compile import DeviceTable, Plan
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.held import HeldBySession
from dflow.runtime.session.loop_handle import Loop


class Backend(Protocol):
    """Where plans run.  What waits raises DeadlineExceededError at the deadline, and has withdrawn what it began."""

    session: str  # the session's name there

    def table(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        """The devices that exist, also of workers that have not declared them yet; fresh: ask again."""

    def devices(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        """The same, for people: workers that have just come are waited for, but not for ever."""

    def install(self, plan: Plan, deadline: Deadline) -> None:
        """Make a plan known wherever it will run; if that fails, nowhere."""

    def forget(self, plan: Plan) -> None:
        """A plan that will not run again."""

    def run(self, plan: Plan, feeds: Sequence[Any], deadline: Deadline) -> list[Any]:
        """Run it once; the value of each fetch, None for an operation."""

    def repeat(self, plan: Plan, loop: Loop, deadline: Deadline) -> None:
        """Start a loop of the plan, next to its devices."""

    def queue_rows(self) -> list[dict[str, Any]]:
        """How all queues are, and who waits for them, as of the last second."""

    def held(self) -> HeldBySession:
        """What the session holds in this process now: loops, plans, steps, messages."""

    def close(self, wait: bool = True) -> None:
        """Cancel what runs and let everything go; wait: until the connection is closed."""


@runtime_checkable
class HasActors(Protocol):
    """A backend whose state consists of Dask actors."""

    def actor(self, spec: Any) -> Any:
        """The actor of a spec."""
