"""The driver of a loop: the device that it runs on, if its user does not name one.

The driver's process starts the parts of each step and is told when they end.  Steps are short where that takes few
messages.  So a loop that trains on parameters of a ps runs there: the parameters that it sends start the workers'
parts, and their gradients are the end.
"""

from __future__ import annotations

from dflow.compile.loops.rewrite import may_prefetch
from dflow.compile.plan import Plan
from dflow.registry import op_def


def choose_driver(plan: Plan, *, prefetch: bool = True) -> str:
    """The device of the reader, for a loop that makes many iterations at once; else the best device by these merits.

    They are, in this order: the loop can prefetch its elements there, which hides the transfer of a large batch; a step
    needs the fewest messages; the device is a GPU; it computes most.
    prefetch: whether loops may prefetch.
    """
    if plan.vectorized is not None:
        return plan.vectorized.line.device

    def merits(device: str) -> tuple[bool, int, bool, int]:
        prefetches = prefetch and may_prefetch(plan, device)
        return prefetches, -_messages(plan, device), "/device:GPU:" in device, _computes(plan, device)

    return max(plan.parts, key=merits)


def _messages(plan: Plan, driver: str) -> int:
    """The number of messages that start the parts of other processes or report their end, without tensors."""
    here = {device for device in plan.parts if plan.addresses[device] == plan.addresses[driver]}
    starts, reports = 0, 0
    for device in plan.parts.keys() - here:
        producers = plan.call.producers.get(device)
        starts += not (producers and producers <= here)
        reports += plan.parts[device].reports
    return starts + reports


def _computes(plan: Plan, device: str) -> int:
    """How many operations without state a device runs."""
    kinds = [i.op.kind for segment in plan.parts[device].segments for i in segment.instructions]
    return sum(not op_def(kind).stateful for kind in kinds)
