"""Installed plans: a device's part of a plan, ready to run, with the routes of its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dflow.compile import DevicePlan, Segment
from dflow.runtime.device.program import Program
from dflow.runtime.device.trace import Trace
from dflow.runtime.device.vectorized_program import VectorizedProgram


@dataclass(frozen=True, slots=True)
class Route:
    """The receivers of a segment's results, by edges, its control edge included."""

    here: tuple[int, ...]  # to other segments of the part
    there: tuple[tuple[str, str, tuple[int, ...]], ...]  # to other devices: each with the address of its process
    caller: tuple[int, ...]  # to the owner of the step
    receivers: int  # the number of other devices that get results, and 1 more for the owner


class InstalledPlan:
    """A device's part of a plan, ready to run."""

    def __init__(
        self,
        plan: DevicePlan,
        programs: Sequence[Program],
        vectorized: VectorizedProgram | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.plan = plan
        self.trace = trace
        self.vectorized = vectorized
        self.programs = programs
        self.missing = [len(segment.needs) for segment in plan.segments]
        self.ready = [i for i, count in enumerate(self.missing) if count == 0]
        self.consumers: dict[int, list[int]] = {}
        for i, segment in enumerate(plan.segments):
            for edge in segment.needs:
                self.consumers.setdefault(edge, []).append(i)
        self.uses = {edge: len(users) for edge, users in self.consumers.items()}
        self.routes = [self._route(segment) for segment in plan.segments]
        only = programs[0] if len(programs) == 1 else None
        self.only = None if plan.routes else only  # the program of the whole step, if the step has no other part

    def _route(self, segment: Segment) -> Route:
        gives, routes, addresses = segment.gives, self.plan.routes, self.plan.addresses
        devices = dict.fromkeys(device for edge in gives for device in routes.get(edge, ()))
        here = tuple(edge for edge in gives if edge in self.consumers)
        there = tuple((d, addresses[d], tuple(edge for edge in gives if d in routes.get(edge, ()))) for d in devices)
        caller = tuple(edge for edge in gives if edge in self.plan.fetched)
        return Route(here, there, caller, len(there) + bool(caller))

    def devices_at(self, address: str) -> list[str]:
        """The devices of the process at `address` that the part sends to or uses."""
        return [device for device, where in self.plan.addresses.items() if where == address]
