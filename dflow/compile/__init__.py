"""From a graph to a plan: prune, place, segments, lower.  Pure functions, with a checker after each.

    Graph --prune--> operations --place--> devices --segments--> groups --lower--> Plan

Why nothing here talks to a cluster: a plan can be made, drawn, checked and tested without one.
"""

from dflow.compile.compiler import compile_plan, operations_by_device
from dflow.compile.loops.placement import choose_driver
from dflow.compile.loops.rewrite import loop_notes, loop_plan
from dflow.compile.loops.spec import LoopSpec
from dflow.compile.plan import (
    LOOP,
    CallPlan,
    DeviceInfo,
    DevicePlan,
    DeviceTable,
    Instruction,
    LoopCode,
    LoopSteps,
    PipelinedEnqueue,
    Plan,
    PrefetchedDequeue,
    Segment,
    Threads,
    VectorizedBody,
)

__all__ = [
    "PrefetchedDequeue",
    "VectorizedBody",
    "CallPlan",
    "DeviceInfo",
    "DevicePlan",
    "DeviceTable",
    "Instruction",
    "LOOP",
    "LoopCode",
    "LoopSteps",
    "LoopSpec",
    "PipelinedEnqueue",
    "Plan",
    "Segment",
    "Threads",
    "choose_driver",
    "compile_plan",
    "loop_notes",
    "loop_plan",
    "operations_by_device",
]
