"""The branches that each operation is in, read from the Switch operations that it depends on.

A condition is (the tensor that decides, 0 or 1): the operation runs if the tensor is false, or true.  A `Merge` is in
the branches that all of its inputs are in.
"""

from __future__ import annotations

from collections.abc import Sequence

from dflow.compile.prune import Needed
from dflow.graph import Operation, Tensor

Condition = tuple[Tensor, int]
NONE: frozenset[Condition] = frozenset()


class Conditions:
    """The conditions of the operations of a run; none for all, if there is no Switch.

    given: conditions that hold whenever the operations run.
    """

    def __init__(self, needed: Needed, given: frozenset[Condition] = NONE) -> None:
        self._needed = needed
        self._given = given
        self._of: dict[Operation, frozenset[Condition]] = {}
        if any(op.type == "Switch" for op in needed.ops):
            for op in needed.ops:
                conditions = self._find(op)
                if conditions:
                    self._of[op] = conditions

    def of(self, op: Operation) -> frozenset[Condition]:
        """The conditions under which an operation runs."""
        return self._of.get(op, NONE)

    def of_tensor(self, tensor: Tensor) -> frozenset[Condition]:
        """The conditions under which a tensor is not dead."""
        if tensor in self._needed.fed:
            return NONE
        op = self._needed.maker(tensor)
        if op.type == "Switch":
            return self.of(op) | ({(decider(op.operands[1]), tensor.value_index)} - self._given)
        return self.of(op)

    def _find(self, op: Operation) -> frozenset[Condition]:
        if op.type == "ControlTrigger":
            return NONE
        inputs = [self.of_tensor(tensor) for tensor in op.operands]
        controls = [self.of(control) for control in self._needed.waited_for(op)]
        data = inputs[0].intersection(*inputs[1:]) if op.type == "Merge" else NONE.union(*inputs)
        return data.union(*controls)

    def __bool__(self) -> bool:
        return bool(self._of)


def decider(tensor: Tensor) -> Tensor:
    """The tensor that decides, without the operations behind it that only hand it on."""
    while tensor.op.type in ("Identity", "LoopCond"):
        tensor = tensor.op.operands[0]
    return tensor


def literals(needed: Needed, conditions: Conditions) -> set[Operation]:
    """The constants of a branch that may be part of the programs that use them.

    That is so if each operation that uses one is in its branch by other inputs, too.
    """
    constants = {op for op in needed.ops if op.type == "Const" and op.control_inputs}
    constants -= {item if isinstance(item, Operation) else item.op for item in needed.fetches}
    if not constants:
        return constants
    for op in needed.ops:
        mine = [tensor.op for tensor in op.operands if tensor.op in constants]
        if mine and not _by_others(op, mine, needed, conditions):
            constants.difference_update(mine)
        constants.difference_update(op.control_inputs)
    return constants


def _by_others(op: Operation, constants: Sequence[Operation], needed: Needed, conditions: Conditions) -> bool:
    if op.type == "Merge":
        return False
    others = [conditions.of_tensor(tensor) for tensor in op.operands if tensor.op not in constants]
    others += [conditions.of(control) for control in needed.waited_for(op)]
    together = NONE.union(*others)
    return all(conditions.of(constant) <= together for constant in constants)
