"""A loop as data: its plan, its device, and how often it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from dflow.compile.plan import CallPlan, PipelinedEnqueue, PrefetchedDequeue


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """The description of a loop.

    owner: of its steps, "session/name".
    """

    session: str
    name: str  # unique in its session
    call: CallPlan
    driver: str  # the device that it runs on, whose process starts its steps
    label: str  # its name on the dashboard
    steps: int | None  # iterations; None: until the end of the input
    every: int  # values are reported each so many iterations
    names: tuple[str, ...] = ()  # of the fetches, for the dashboard
    vectorized: bool = False  # whether it may make many iterations at once
    prefetch: PrefetchedDequeue | None = None  # the dequeue that it makes itself
    pipelined: PipelinedEnqueue | None = None  # the enqueue that it makes itself
    notes: tuple[str, ...] = ()  # why it does not prefetch, pipeline or make many iterations at once
    owner: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "owner", f"{self.session}/{self.name}")
