"""The gradient of a `while_loop`: another loop, which goes through the iterations backwards.

    forward:   for each iteration: variables -> body -> next values       counts its iterations, and keeps on stacks
                                                                          the values that the gradient needs
    backward:  for each iteration, the last one first: gradients of the next values -> gradients of the variables

Gradients of values from outside, which each iteration has, are summed over the iterations.  Without a gradient, the
forward loop has no stack: stacks are added to it here.
Source: control_flow_state of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from dflow.dtypes import DType
from dflow.graph import Graph, Operation, Tensor, convert_to_tensor
from dflow.graph.contexts import Branch, Context, History, LoopBody, add_plain, current_context, loops_of
from dflow.ops.array.concat import concat
from dflow.ops.array.fill import zeros, zeros_like
from dflow.ops.array.indexed_slices import IndexedSlices, densified
from dflow.ops.array.shape import shape
from dflow.ops.control import identity
from dflow.ops.control_flow.gates import control_trigger, loop_cond, merge, switch
from dflow.ops.control_flow.while_loop import enter_variable, exit_variable, go_on_with, switch_variable
from dflow.ops.math.aggregate import Gradient
from dflow.ops.math.arithmetic import add, subtract
from dflow.ops.math.compare import greater
from dflow.shapes import TensorShape


class Walk(Protocol):
    """The walk of `gradients`, as the gradient of a loop uses it."""

    graph: Graph

    def give(self, tensor: Tensor, gradient: Any) -> None:
        """Add to the gradient of a tensor."""

    def total(self, tensors: Iterable[Tensor]) -> Any:
        """The gradient that tensors have received, or None."""

    def replace(self, tensor: Tensor, gradient: Any) -> None:
        """Set the gradient of a tensor."""

    def walk(self, loop: LoopBody | None) -> None:
        """Go through the operations that are directly in a loop."""

    def reaches(self, tensor: Tensor) -> bool:
        """Whether gradients flow through a tensor."""

    def sources_in(self, loop: LoopBody) -> list[Tensor]:
        """The tensors of a loop, or of a loop in it, whose gradients the user asks for: reads of variables."""


class GradientContexts:
    """The context in which the gradient of each operation is built, by the context of the operation.

    base: the context that `gradients` was called in.
    """

    def __init__(self, graph: Graph, base: Context | None) -> None:
        self._graph = graph
        self._base = base
        self._around: set[Context | None] = {None, *(base.chain() if base is not None else ())}
        self._of: dict[Context, Context | None] = {}

    def of(self, context: Context | None) -> Context | None:
        """The context for the gradient of an operation of `context`."""
        if context in self._around or context is None:
            return self._base
        if context not in self._of:
            assert isinstance(context, Branch)  # that of a loop was set before
            self._of[context] = self._mirror(context)
        return self._of[context]

    def set(self, loop: LoopBody, backward: LoopBody) -> None:
        self._of[loop] = backward

    def levels(self, op: Operation) -> list[LoopBody]:
        """The loops that an operation is in, and the call of `gradients` is not, the innermost first."""
        return [loop for loop in loops_of(op.context) if loop not in self._around]

    def _mirror(self, branch: Branch) -> Context:
        """The same branch, in the gradient's loop; the branch itself, where there is none."""
        outer = self.of(branch.outer)
        if outer is branch.outer:
            return branch
        with self._graph.control_dependencies(None), self._graph.scope.context_scope(outer):
            pred = branch.pred if outer is None else outer.take(branch.pred, f"{branch.name}_grad")
            pivot = identity(switch(pred, pred)[branch.value])
        return Branch(self._graph, f"{branch.name}_grad", outer, pred, branch.value, pivot.op)


def out_of_branch(branch: Branch, gradient: Gradient, source: Tensor, name: str) -> Gradient:
    """The gradient of `source`, a tensor from outside of a branch: zeros, or no rows, if the branch is not taken."""
    slices = isinstance(gradient, IndexedSlices)
    parts = [gradient.values, gradient.indices] if isinstance(gradient, IndexedSlices) else [gradient]
    parts = [branch.take(part, name) for part in parts]
    with branch.graph.scope.context_scope(branch.outer), branch.graph.name_scope(name):
        others = no_rows(source, parts[1].dtype) if slices else [zeros_like(source)]
        merged = []
        for part, other in zip(parts, others, strict=True):
            gates = switch(other, branch.pred)
            merged.append(merge([gates[0], part] if branch.value else [part, gates[1]]).output)
        return IndexedSlices(merged[0], merged[1], shape(source)) if slices else merged[0]


def no_rows(x: Tensor, index_dtype: DType) -> list[Tensor]:
    """The values and the indices of slices of `x` that have no rows."""
    sizes = x.spec.shape
    rows = None if sizes.ndims is None else TensorShape([0, *sizes.as_list()[1:]])
    values = zeros(rows, x.dtype) if rows is not None and rows.is_fully_defined() else x[:0]
    return [values, zeros([0], index_dtype)]


class LoopGradient(History):
    """The gradient of one loop, while it is built."""

    def __init__(self, walk: Walk, contexts: GradientContexts, loop: LoopBody) -> None:
        self.of = loop
        self._walk = walk
        self._contexts = contexts
        self._graph = walk.graph
        self._recalled: dict[Tensor, Tensor] = {}
        self._variables = [i for i, merge in enumerate(loop.merges) if walk.reaches(merge.outputs[0])]
        count = self._count_iterations()
        self._loop = self._begin(count)

    def build(self) -> None:
        """Add the backward loop, and give its results to the tensors that enter the forward loop."""
        loop, forward = self._loop, self.of
        with loop.building():
            for place, i in enumerate(self._variables):
                self._walk.give(forward.nexts[i].operands[0], loop.variables[1 + place].outputs[0])
            self._walk.walk(forward)
            for place, i in enumerate(self._variables):
                gradient = self._walk.total([forward.switches[i].outputs[1]])
                if gradient is None:
                    gradient = zeros_for(forward.variables[i].outputs[0])
                go_on_with(loop, 1 + place, densified(gradient))
        for tensor, gate in list(forward.constants.items()):
            self._sum_over_iterations(gate, tensor, self._walk.give)
        for source in self._walk.sources_in(forward):
            self._sum_over_iterations(source, source, self._walk.replace)
        for place, i in enumerate(self._variables):
            self._walk.give(forward.enters[i].operands[0], exit_variable(loop, 1 + place))

    # -- the forward loop

    def _count_iterations(self) -> Tensor:
        """Add a count of the iterations to the forward loop; its value after the loop."""
        loop = self.of
        with self._outside(), self._graph.scope.context_scope(loop.outer):
            i = len(loop.merges)
            enter_variable(loop, _integer(0))
            with loop.building():
                count = switch_variable(loop, i)
                self._kept = control_trigger()
                with self._graph.control_dependencies([self._kept]):
                    go_on_with(loop, i, add(count, _integer(1)))
            return exit_variable(loop, i)

    def _outside(self) -> Any:
        return self._graph.control_dependencies(None)

    def recall(self, tensor: Tensor) -> Tensor:
        """See `History`: a value from outside as it is, a constant anew, and others from a stack."""
        if tensor not in self._recalled:
            op = tensor.op
            if op.type == "Enter" and op.attrs["is_constant"] and op.context is self.of:
                return op.operands[0]
            with self._outside():
                self._recalled[tensor] = self._constant(tensor) if op.type == "Const" else self._from_stack(tensor)
        return self._recalled[tensor]

    def _constant(self, tensor: Tensor) -> Tensor:
        with self._loop.building():
            return self._graph.create_op("Const", (), tensor.op.attrs, name="Const").outputs[0]

    def _from_stack(self, tensor: Tensor) -> Tensor:
        context = tensor.op.context
        with self._graph.colocate_with(tensor.op, ignore_existing=True):
            stack = add_plain(self._graph, None, "StackV2", (), f"{self.of.name}/f_acc", elem_type=tensor.dtype)
            with context.building():
                push = self._graph.create_op("StackPushV2", (stack.outputs[0], tensor), {})
            self._kept.control_inputs.append(push)
            mirror = self._contexts.of(context)
            assert mirror is not None
            with mirror.building():
                pop = self._graph.create_op("StackPopV2", (stack.outputs[0],), {"elem_type": tensor.dtype})
        value = pop.outputs[0]
        value.set_shape(tensor.shape)
        return value

    # -- the backward loop

    def _begin(self, count: Tensor) -> LoopBody:
        """The backward loop, with its condition and its variables: the iterations left, and the gradients."""
        forward, graph = self.of, self._graph
        outer = current_context(graph)
        frame = graph.unique_name("while_context")
        name = graph.get_name_scope()
        loop = LoopBody(graph, name, outer, frame, forward.parallel_iterations, swap_memory=forward.swap_memory)
        loop.history = self
        self._contexts.set(forward, loop)
        left = enter_variable(loop, count)
        for i in self._variables:
            gradient = self._walk.total([forward.exits[i].outputs[0]])
            first = zeros_for(forward.exits[i].outputs[0]) if gradient is None else densified(gradient)
            enter_variable(loop, first, forward.merges[i].outputs[0].shape)
        with loop.building():
            loop.pivot = loop.merges[0]
            loop.test = loop_cond(greater(left, _integer(0)), name="LoopCond").op
            for i in range(len(loop.merges)):
                switch_variable(loop, i)
            loop.pivot = loop.variables[0]
            go_on_with(loop, 0, subtract(loop.variables[0].outputs[0], _integer(1)))
        return loop

    def _sum_over_iterations(self, inside: Tensor, outside: Tensor, give: Callable[[Tensor, Any], None]) -> None:
        """Sum the gradients that a tensor of the loop has in each iteration, and give the sum to `outside`."""
        loop, i = self._loop, len(self._loop.merges)
        with loop.building():
            gradient = self._walk.total([inside])
        if gradient is None:
            return
        if isinstance(gradient, IndexedSlices) and (inside is not outside or outside.shape.is_fully_defined()):
            give(outside, self._all_slices(gradient, outside))
            return
        enter_variable(loop, zeros_for(outside), outside.shape)
        with loop.building():
            so_far = switch_variable(loop, i)
            go_on_with(loop, i, add(so_far, densified(gradient)))
        give(outside, exit_variable(loop, i))

    def _all_slices(self, gradient: IndexedSlices, outside: Tensor) -> IndexedSlices:
        """The slices of all iterations, one after the other: slices of `outside`."""
        loop, i = self._loop, len(self._loop.merges)
        parts = [gradient.values, gradient.indices]
        for first, part in zip(no_rows(outside, gradient.indices.dtype), parts, strict=True):
            rows = part.spec.shape
            enter_variable(loop, first, rows if rows.ndims is None else TensorShape([None, *rows.as_list()[1:]]))
        with loop.building():
            so_far = [switch_variable(loop, place) for place in (i, i + 1)]
            for place, (before, part) in enumerate(zip(so_far, parts, strict=True)):
                go_on_with(loop, i + place, concat([before, part], 0))
        values, indices = (exit_variable(loop, place) for place in (i, i + 1))
        sizes = outside.spec.shape
        full = convert_to_tensor(sizes.as_list(), "int32") if sizes.is_fully_defined() else shape(outside)
        return IndexedSlices(values, indices, full)


def _integer(value: int) -> Tensor:
    return convert_to_tensor(value, DType("int32"))


def zeros_for(x: Tensor) -> Tensor:
    """Zeros in the shape of `x`.  They do not wait for the value of `x` if its shape is known."""
    return zeros(x.shape, x.dtype) if x.shape.is_fully_defined() else zeros_like(x)
