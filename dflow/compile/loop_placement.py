"""The device of each folded loop: that of its operations, if they are all on one device."""

from __future__ import annotations

from dflow.compile.frames import FoldedLoop
from dflow.compile.place import GATES, Placement
from dflow.compile.prune import Needed
from dflow.errors import OpInfo, UnimplementedError


def place_loops(needed: Needed, placed: Placement) -> None:
    """Give each loop its device."""
    for op in needed.ops:
        if isinstance(op, FoldedLoop):
            place_loops(op.pass_, placed)
            placed.put(op, _device(op, placed))


def _device(loop: FoldedLoop, placed: Placement) -> str:
    ops = [op for op in loop.operations() if op.type not in (*GATES, "Identity", "Const")]
    devices = dict.fromkeys(placed[op] for op in ops)
    blocking = next((op for op in ops if op.definition.blocks), None)
    if len(devices) > 1 or blocking is not None:
        info = OpInfo(loop.name, loop.type, "", loop.made_at)
        raise UnimplementedError(info, None, f"the loop {loop.name!r} has operations on {list(devices)}")
    return next(iter(devices), "") or placed[loop.pass_.ops[0]]
