"""The interface of a session's backend, which runs plans in this process (`local.py`) or on Dask (`cluster.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from dflow.compile import DeviceTable, Plan
from dflow.runtime.base.deadline import NEVER, Deadline
from dflow.runtime.base.held import HeldBySession
from dflow.runtime.device.trace import KernelCall
from dflow.runtime.session.loop_handle import Loop


class Backend(Protocol):
    """Runs the plans of a session.

    A method that waits raises DeadlineExceededError at the deadline, after it has withdrawn the work that it began.
    """

    session: str  # the name of the session in the backend

    def table(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        """The devices that exist, also those of workers that have not declared them yet.  fresh: not from the cache."""

    def devices(self, fresh: bool = False, deadline: Deadline = NEVER) -> DeviceTable:
        """As `table`, for a listing: waits for a while until new workers have declared their devices."""

    def install(self, plan: Plan, deadline: Deadline) -> None:
        """Install a plan on all of its devices; if that fails, on none."""

    def forget(self, plan: Plan) -> None:
        """Remove a plan, which will not run again, from its devices."""

    def run(self, plan: Plan, feeds: Sequence[Any], deadline: Deadline) -> list[Any]:
        """Run a plan once.  Returns the value of each fetch, None for an operation."""

    def trace(self, plan: Plan, deadline: Deadline) -> dict[str, list[KernelCall]]:
        """The kernel calls of the last run of a traced plan, by device."""

    def repeat(self, plan: Plan, loop: Loop, deadline: Deadline) -> None:
        """Start a loop of the plan, next to its devices."""

    def queue_rows(self) -> list[dict[str, Any]]:
        """A row for each queue, with its size and the attempts that wait for it, as of the last second."""

    def held(self) -> HeldBySession:
        """The loops, plans, steps and messages that the session holds in this process now."""

    def close(self, wait: bool = True) -> None:
        """Cancel all steps and loops, and release everything.  wait: until the connection is closed."""


@runtime_checkable
class HasActors(Protocol):
    """A backend whose state consists of Dask actors."""

    def actor(self, spec: Any) -> Any:
        """The actor of a spec."""
