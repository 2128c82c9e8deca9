"""A loop as data: its plan, its device, and how often it runs."""

from __future__ import annotations

from dataclasses import dataclass

from dflow.compile.plan import CallPlan, PipelinedEnqueue, PrefetchedDequeue


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """What a loop does."""

    session: str
    name: str  # unique in its session
    call: CallPlan
    driver: str  # the device that it runs on, whose process starts its steps
    label: str  # what the dashboard calls it
    steps: int | None  # iterations; None: until the end of the input
    every: int  # values are reported each so many iterations
    names: tuple[str, ...] = ()  # of the fetches, for the dashboard
    vectorized: bool = False  # may records go many at once?
    prefetch: PrefetchedDequeue | None = None  # what it dequeues itself
    pipelined: PipelinedEnqueue | None = None  # what it enqueues itself

    @property
    def owner(self) -> str:
        """Whose its steps are."""
        return f"{self.session}/{self.name}"
