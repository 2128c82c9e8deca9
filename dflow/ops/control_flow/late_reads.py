"""Variables that a loop both reads and writes: each iteration reads them anew.

    df.while_loop(lambda x: v < 10.0, lambda x: v.assign_add(1.0), [v])    # ends when the variable is 10

The value of a variable is read outside of the loop, and enters it as a constant.  Where the loop writes the variable,
that would be its value before the loop.  TensorFlow's constant shares the memory of the variable.
"""

from __future__ import annotations

from dflow.graph import Operation, Tensor
from dflow.graph.contexts import LoopBody, chain
from dflow.specs import VariableSpec

_READS = frozenset(["VariableV2", "ReadVariable", "InitializedValue", "IsVariableInitialized"])


def read_in_each_iteration(loop: LoopBody, start: int) -> None:
    """Read the variables that the loop writes at the beginning of each iteration.

    start: the version of the graph before the loop, which is complete but for its exits.
    """
    graph = loop.graph
    inside = graph.get_operations()[start:]
    written = {op.attrs.get("variable") for op in inside if op.type not in _READS and loop in chain(op.context)}
    found = {gate: _variable(tensor) for tensor, gate in loop.constants.items()}
    gates = {gate: spec for gate, spec in found.items() if spec is not None and spec in written}
    if not gates:
        return
    loop.pivot = loop.merges[0]
    with graph.control_dependencies(None), loop.building(), graph.name_scope(f"{loop.name}/"):
        reads = {spec: _read(loop, spec) for spec in gates.values()}
    for op in inside:
        for place, tensor in enumerate(op.operands):
            if tensor in gates:
                op.update_operand(place, reads[gates[tensor]])


def _variable(tensor: Tensor) -> VariableSpec | None:
    """The variable whose value a tensor is, as it was read without a control dependency."""
    op = tensor.op
    while op.type in ("Identity", "Enter", "Switch") and not op.control_inputs:
        op = op.operands[0].op
    spec = op.attrs.get("variable") if op.type == "VariableV2" else None
    return spec if isinstance(spec, VariableSpec) else None


def _read(loop: LoopBody, spec: VariableSpec) -> Tensor:
    variable: Operation = loop.graph.get_operation_by_name(spec.node)
    with loop.graph.colocate_with(variable, ignore_existing=True):
        return loop.graph.create_op("ReadVariable", (), {"variable": spec}).outputs[0]
