"""From a graph to a plan: prune, place, segments, lower.  Pure functions, with a checker after each.

    Graph --prune--> operations --place--> devices --segments--> groups --lower--> Plan

Why nothing here talks to a cluster: a plan can be made, drawn, checked and tested without one.
"""

from dflow.compile.ahead import with_ahead
from dflow.compile.behind import with_behind
from dflow.compile.compiler import compile_plan, operations_by_device
from dflow.compile.home import choose_home
from dflow.compile.loop_spec import LoopSpec
from dflow.compile.plan import (
    Ahead,
    BatchBody,
    CallPlan,
    DeviceInfo,
    DevicePlan,
    DeviceTable,
    Instruction,
    PipelinedEnqueue,
    Plan,
    Segment,
    Threads,
)

__all__ = [
    "Ahead",
    "BatchBody",
    "CallPlan",
    "DeviceInfo",
    "DevicePlan",
    "DeviceTable",
    "Instruction",
    "LoopSpec",
    "PipelinedEnqueue",
    "Plan",
    "Segment",
    "Threads",
    "choose_home",
    "compile_plan",
    "operations_by_device",
    "with_ahead",
    "with_behind",
]
