"""Gradients by reverse mode: `gradients(ys, xs)` adds the operations that compute how `ys` change with `xs`.

The table of operations has a gradient rule for each kind of operation.  The walk visits only the operations between
`xs` and `ys`, the youngest first: an operation is always younger than its inputs, so that the gradient of a tensor is
complete when the walk comes to the tensor's own operation.  It is a loop, not a recursion: a graph may be 100,000
operations deep.

Why gradients flow through floating and complex tensors only: an index, a size or a text has none, so that an operation
which gives one (`Shape`, `ArgMax`, a cast to int32) is a constant to the walk and never an error.
Source: tf.gradients, tf.AggregationMethod, tf.UnconnectedGradients of TensorFlow 1.15.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.dtypes import DType, bool_, string
from dflow.errors import DTypeError, ShapeError
from dflow.gradient_rules import is_registered, rule_of
from dflow.graph import Graph, Operation, Tensor, convert_to_tensor, scopes
from dflow.graph.contexts import Branch, LoopBody, current_context, loops_of
from dflow.loop_gradients import GradientContexts, LoopGradient, out_of_branch, zeros_for
from dflow.ops.array.fill import ones, ones_like
from dflow.ops.array.indexed_slices import IndexedSlices, densified
from dflow.ops.array.shape import reshape
from dflow.ops.control import tuple_
from dflow.ops.math.aggregate import PASSES_SLICES, Gradient, aggregated
from dflow.ops.math.arithmetic import multiply
from dflow.ops.rules.like import reshape_like
from dflow.ops.rules.static import is_symbolic
from dflow.ops.state.variables import Variable
from dflow.registry import NoGradient
from dflow.specs import VariableSpec


class AggregationMethod:
    """How several gradients of one tensor are summed.

    ADD_N (DEFAULT): one `add_n` of all of them, which waits for the last.  EXPERIMENTAL_TREE and
    EXPERIMENTAL_ACCUMULATE_N: one after the other, so that no more than two are in memory.
    """

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


class UnconnectedGradients(enum.Enum):
    """The gradient where `ys` do not depend on an x: None, or zeros of its shape."""

    NONE = "none"
    ZERO = "zero"


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list[Gradient | None]:
    """The sum over `ys` of their derivatives with respect to each of `xs`.

    ys, xs: one tensor or variable, or a sequence of them.  The gradient with respect to a variable is the sum over
    all its reads.
    grad_ys: the initial gradient of each y, of its shape and dtype; None (as a whole or for one y): ones.  One value,
    of any shape, is that of each value of y.
    colocate_gradients_with_ops: put each gradient operation on its forward operation's device.
    gate_gradients: use no gradient that comes from an operation before all of them are there.
    aggregation_method: one of `AggregationMethod`.
    stop_gradients: tensors that are taken for constants.
    unconnected_gradients: "none" or "zero", or one of `UnconnectedGradients`.

    Returns a list with one entry per x, of its shape and dtype: IndexedSlices where only rows of the x were used, as
    `gather` does; None where no y depends on it (zeros with "zero"), and for an x of integers that is none of the ys.
    Raises LookupError ("No gradient defined for operation ...") if an operation on the way has no gradient; ValueError
    for a grad_ys of another length or shape, an unknown method or mode; TypeError for a grad_ys of another dtype, or
    none for a complex y, and for a y of text.
    Source: tf.gradients.
    """
    mode = _mode(unconnected_gradients)
    _check_method(aggregation_method)
    y_tensors = [convert_to_tensor(y) for y in _as_list(ys)]
    targets = [x if isinstance(x, Variable) else convert_to_tensor(x) for x in _as_list(xs)]
    blocked = {t for t in _as_list(stop_gradients) if isinstance(t, Tensor)}
    if not y_tensors or not targets:
        return [None for _ in targets]
    graph = y_tensors[0].graph
    with scopes.building_in(graph), graph.name_scope(name or "gradients"):
        path = _find_path(y_tensors, targets, blocked)
        in_turn = aggregation_method not in (None, AggregationMethod.ADD_N)
        backward = _Backward(graph, path, colocate_gradients_with_ops, gate_gradients, in_turn)
        for y, seed in zip(y_tensors, _seeds(y_tensors, grad_ys), strict=True):
            backward.give(y, seed)
        backward.walk(None)
        totals = [backward.total(path.sources_of(x)) for x in targets]
        if mode is UnconnectedGradients.NONE:
            return totals
        return [zeros_for(convert_to_tensor(x)) if dx is None else dx for x, dx in zip(targets, totals, strict=True)]


# -- the arguments


def _as_list(items: Any) -> list[Any]:
    if items is None:
        return []
    return list(items) if isinstance(items, (list, tuple)) else [items]


def _mode(value: Any) -> UnconnectedGradients:
    try:
        return UnconnectedGradients(value)
    except ValueError:
        raise ValueError(f"Unknown value for unconnected_gradients: {value!r}; use 'none' or 'zero'") from None


def _check_method(method: int | None) -> None:
    accepted = [
        AggregationMethod.ADD_N,
        AggregationMethod.EXPERIMENTAL_TREE,
        AggregationMethod.EXPERIMENTAL_ACCUMULATE_N,
    ]
    if method is not None and method not in accepted:
        raise ValueError(f"Invalid `aggregation_method` specified {method}. Accepted values are {accepted}.")


def _seeds(ys: Sequence[Tensor], grad_ys: Any) -> list[Gradient]:
    """The initial gradient of each y."""
    initial = [None] * len(ys) if grad_ys is None else _as_list(grad_ys)
    if len(initial) != len(ys):
        raise ValueError(f"Length mismatch. Passed {len(initial)} grad_ys for {len(ys)} ys")
    return [_seed(y, grad_y, f"grad_ys_{i}") for i, (y, grad_y) in enumerate(zip(ys, initial, strict=True))]


def _seed(y: Tensor, grad_y: Any, name: str) -> Gradient:
    if isinstance(grad_y, IndexedSlices) and grad_y.dtype == y.dtype:
        return grad_y
    if grad_y is None:
        if y.dtype.is_complex:
            raise TypeError(f"Gradients of complex tensors must set grad_ys (y.dtype = {y.dtype!r}): {y.name}")
        if y.dtype == string:
            raise TypeError(f"Gradients of text ({y!r}) are not defined: it has no initial gradient")
        return _ones_for(y, name)
    if y.dtype in (bool_, string):
        raise DTypeError(f"{y.name} of type {y.dtype.name} has no gradient, but {grad_y!r} was given for it")
    symbolic = isinstance(grad_y, (Tensor, Variable))
    if not is_symbolic(grad_y) and np.asarray(grad_y).dtype.kind in ("bOSU" if y.dtype.is_complex else "bcOSU"):
        raise DTypeError(f"Gradient {grad_y!r} given for {y.name} of type {y.dtype.name}: these are not its numbers")
    seed = convert_to_tensor(grad_y, None if symbolic else y.dtype, name=name)
    if seed.dtype != y.dtype:
        raise DTypeError(f"Gradient type {seed.dtype.name} ({seed.name}) given for {y.name} of type {y.dtype.name}")
    if seed.shape.num_elements() == 1 and y.shape.num_elements() != 1:
        return multiply(_ones_for(y, name), reshape(seed, ()))
    if seed.shape.ndims is not None and y.shape.ndims is None and seed.shape.num_elements() != 1:
        return seed
    one_for_one = seed.shape.num_elements() == y.shape.num_elements() == 1
    if not one_for_one and not seed.shape.is_compatible_with(y.shape):
        raise ShapeError(f"Incompatible shapes: the gradient {seed.name} is {seed.shape}, but {y.name} is {y.shape}")
    return seed if seed.shape.ndims is not None and seed.spec.shape == y.spec.shape else reshape_like(seed, y)


def _ones_for(x: Tensor, name: str) -> Tensor:
    """Ones in the shape of `x`.  They do not wait for the value of `x` if its shape is known."""
    return ones(x.shape, x.dtype, name) if x.shape.is_fully_defined() else ones_like(x, name=name)


def _differentiable(dtype: DType) -> bool:
    return dtype.is_floating or dtype.is_complex


# -- the operations between xs and ys


@dataclass(frozen=True)
class _Path:
    """The operations and tensors that gradients flow through.

    ops: the operations between xs and ys, the oldest first; tensors: those that depend on an x, and the xs;
    sources: the tensors among the xs, and those that hold the value of a variable among them; reads: the latter, by
    variable; blocked: the tensors that are taken for constants.
    """

    ops: list[Operation]
    tensors: set[Tensor]
    sources: list[Tensor]
    reads: dict[VariableSpec, list[Tensor]]
    blocked: set[Tensor]

    def sources_of(self, x: Tensor | Variable) -> list[Tensor]:
        """The tensors whose gradients together are that of `x`."""
        return self.reads.get(x.spec, []) if isinstance(x, Variable) else [x]


def _find_path(ys: Sequence[Tensor], xs: Sequence[Tensor | Variable], blocked: set[Tensor]) -> _Path:
    variables = {x.spec for x in xs if isinstance(x, Variable)}
    needed = _ancestors(ys, blocked, oldest=min(x.op.index for x in xs))
    reads: dict[VariableSpec, list[Tensor]] = {}
    for op in needed:
        if op.type in ("VariableV2", "ReadVariable") and op.attrs["variable"] in variables:
            reads.setdefault(op.attrs["variable"], []).append(op.outputs[0])
    sources = [x for x in xs if isinstance(x, Tensor)] + [tensor for tensors in reads.values() for tensor in tensors]
    reached = {tensor for tensor in sources if _differentiable(tensor.dtype)}
    ops = dict[Operation, None]()
    while True:
        before = len(reached)
        for op in needed:
            if not reached.isdisjoint(op.operands):
                ops[op] = None
                reached.update(out for out in op.outputs if _differentiable(out.dtype) and out not in blocked)
        if len(reached) == before or not any(op.type == "NextIteration" for op in ops):
            break  # only through a loop does a tensor depend on a younger one
    return _Path(sorted(ops, key=lambda op: op.index), reached, sources, reads, blocked)


def _ancestors(ys: Iterable[Tensor], blocked: set[Tensor], oldest: int) -> list[Operation]:
    """The operations that `ys` are computed from by way of differentiable tensors, in the order of their creation.

    Those older than `oldest` are left out: they cannot depend on an x.
    """
    ancestors: set[Operation] = set()
    pending = list(ys)
    while pending:
        tensor = pending.pop()
        op = tensor.op
        if op in ancestors or tensor in blocked or not _differentiable(tensor.dtype):
            continue
        if op.index < oldest and op.context is None:  # a loop may use what is younger than its first operations
            continue
        ancestors.add(op)
        pending.extend(op.operands)
    return sorted(ancestors, key=lambda op: op.index)


# -- the walk


class _Backward:
    """The gradients that each tensor has received so far, and the walk that passes them on."""

    def __init__(self, graph: Graph, path: _Path, colocate: bool, gate: bool, in_turn: bool) -> None:
        self.graph = graph
        self.path = path
        self.colocate = colocate
        self.gate = gate
        self.in_turn = in_turn  # whether several gradients of a tensor are summed one after the other
        self.received: dict[Tensor, list[Gradient]] = {}
        self.contexts = GradientContexts(graph, current_context(graph))
        self.levels: dict[LoopBody | None, list[Operation]] = {}  # the operations that are directly in each loop
        for op in path.ops:
            loops = self.contexts.levels(op)
            if not loops or not _is_gate_of(loops[0], op):
                self.levels.setdefault(loops[0] if loops else None, []).append(op)
        self.passed: set[LoopBody] = set()  # loops whose gradients were built

    def give(self, tensor: Tensor, gradient: Gradient) -> None:
        self.received.setdefault(tensor, []).append(gradient)

    def total(self, tensors: Iterable[Tensor]) -> Gradient | None:
        """The sum of all that these tensors have received, or None.  Kept, so that it is built once."""
        tensors = list(tensors)
        parts = [gradient for tensor in tensors for gradient in self.received.get(tensor, ())]
        if len(parts) < 2:
            return parts[0] if parts else None
        with self._beside(tensors[0].op):
            total = aggregated(parts, tensors[0].op.name if self.in_turn else None)
        if len(tensors) == 1:
            self.received[tensors[0]] = [total]
        return total

    def replace(self, tensor: Tensor, gradient: Gradient) -> None:
        self.received[tensor] = [gradient]

    def reaches(self, tensor: Tensor) -> bool:
        return tensor in self.path.tensors

    def sources_in(self, loop: LoopBody) -> list[Tensor]:
        reads = [tensor for tensors in self.path.reads.values() for tensor in tensors]
        return [tensor for tensor in reads if loop in loops_of(tensor.op.context)]

    def walk(self, loop: LoopBody | None) -> None:
        """Go through the operations that are directly in a loop, or in none that `gradients` was not called in."""
        for op in reversed(self.levels.get(loop, [])):
            if any(out in self.received and out not in self.path.blocked for out in op.outputs):
                with self._beside(op), self.graph.scope.context_scope(self.contexts.of(op.context)):
                    if op.type == "Exit":
                        self._through_loop(op)
                    elif op.type == "Switch" and isinstance(op.context, Branch):
                        self._through_gate(op, op.context)
                    elif op.type == "Enter":  # of a loop that `gradients` was called in
                        self._into_loop(op)
                    else:
                        received = [self._of_output(op, out) for out in op.outputs]
                        with self.graph.scope.original_scope(op), self.graph.name_scope(f"{op.name}_grad"):
                            self._pass_through(op, received)

    def _through_gate(self, op: Operation, branch: Branch) -> None:
        """Lead the gradient of a tensor out of a branch that takes it from outside."""
        gradient, source = self.total([op.outputs[branch.value]]), op.operands[0]
        if gradient is not None and source in self.path.tensors:
            inside = self.contexts.of(branch)
            assert isinstance(inside, Branch)
            self.give(source, out_of_branch(inside, gradient, source, f"{op.name}_grad"))

    def _into_loop(self, op: Operation) -> None:
        """Pass on the gradient of a value from outside of the loop that `gradients` is called in."""
        if not op.attrs["is_constant"]:
            before = _ancestors([op.operands[0]], self.path.blocked, oldest=0)
            x = next((source.op for source in self.path.sources if source.op in before), op)
            raise ValueError(
                f"Cannot compute gradient inside while loop with respect to op '{x.name}'. We do not support taking "
                "the gradient wrt or through the initial value of a loop variable. Gradients can be computed through "
                "loop invariants or wrt the input parameters to the loop body."
            )
        gradient = self.total(op.outputs)
        if gradient is not None:
            self.give(op.operands[0], gradient)

    def _through_loop(self, op: Operation) -> None:
        """Build the gradient of the loop that `op` is an exit of, once."""
        loop = next(loops_of(op.operands[0].op.context), None)
        if loop is None:
            raise LookupError(f"No gradient defined for operation '{op.name}' (op type: Exit): its loop was not built "
                              f"by while_loop\n  made at {op.made_at}")  # fmt: skip
        if loop in self.passed or not loop.back_prop:
            return
        if loop.history is not None:
            raise TypeError("Second-order gradient for while loops not supported.")
        self.passed.add(loop)
        with self.graph.name_scope(f"{loop.name}_grad"):
            LoopGradient(self, self.contexts, loop).build()

    def _beside(self, op: Operation) -> AbstractContextManager[None]:
        return self.graph.colocate_with(op) if self.colocate else nullcontext()

    def _pass_through(self, op: Operation, received: Sequence[Gradient | None]) -> None:
        input_gradients = _input_gradients(op, received)
        for x, dx in zip(op.operands, input_gradients, strict=True):
            if dx is not None and x in self.path.tensors:
                _check_gradient(op, x, dx)
        if self.gate and sum(dx is not None for dx in input_gradients) > 1:
            with self.graph.colocate_with(None, ignore_existing=True):
                input_gradients = tuple_(input_gradients)
            gated = next(dx for dx in input_gradients if dx is not None)
            self.graph.gradient_gates.update(
                (gated.values if isinstance(gated, IndexedSlices) else gated).op.control_inputs
            )
        for x, dx in zip(op.operands, input_gradients, strict=True):
            if dx is not None and x in self.path.tensors:
                self.give(x, dx)

    def _of_output(self, op: Operation, out: Tensor) -> Gradient | None:
        """The gradient of one output, for the rule of its operation: zeros where nothing depends on the output."""
        if not _differentiable(out.dtype):
            return None
        gradient = None if out in self.path.blocked else self.total([out])
        if gradient is None:
            return None if op.type == "Switch" else zeros_for(out)
        return gradient if op.type in PASSES_SLICES or is_registered(op) else densified(gradient)


def _is_gate_of(loop: LoopBody, op: Operation) -> bool:
    """Whether an operation leads values into a loop, or from one iteration to the next."""
    return op.type in ("Enter", "NextIteration") or op in loop.merges or op in loop.switches


def _input_gradients(op: Operation, output_gradients: Sequence[Gradient | None]) -> list[Gradient | None]:
    rule = rule_of(op)
    if isinstance(rule, NoGradient):
        raise LookupError(
            f"No gradient defined for operation '{op.name}' (op type: {op.type}): {rule.reason}\n  made at {op.made_at}"
        )
    grads = rule(op, *output_gradients)
    if grads is None:
        return [None] * len(op.operands)
    grads = [grads] if isinstance(grads, Gradient) else list(grads)
    if len(grads) != len(op.operands):
        raise ValueError(
            f"{op.name} ({op.type}): its gradient rule gave {len(grads)} gradients for {len(op.operands)} inputs"
        )
    return grads


def _check_gradient(op: Operation, x: Tensor, dx: Gradient) -> None:
    """A rule must give each input's gradient in the input's shape and dtype."""
    if dx.dtype != x.dtype:
        raise DTypeError(f"{op.name} ({op.type}): the gradient of its input {x.name} is {dx.dtype.name}, not {x.spec}")
    if not dx.shape.is_compatible_with(x.shape):
        raise ShapeError(
            "Incompatible shapes between op input and calculated input gradient. "
            f"Forward operation: {op.name} ({op.type}). Input: {x.name}. Original input shape: {x.shape}. "
            f"Calculated input gradient shape: {dx.shape}"
        )
    if isinstance(dx, Tensor):
        dx.set_shape(x.shape)
