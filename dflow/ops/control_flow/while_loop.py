"""Loops in the graph: `while_loop`.

    n = tf.constant(10)
    total = tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), (0, 0))[1]    # 45 in each run

The two functions are called once, while the graph is built.  Source: tf.while_loop of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dflow import nest
from dflow.errors import DTypeError
from dflow.graph import Graph, Tensor, convert_to_tensor, scopes
from dflow.graph.contexts import LoopBody, add_plain, current_context
from dflow.ops.control_flow.gates import loop_cond
from dflow.ops.control_flow.late_reads import read_in_each_iteration
from dflow.ops.rules.static import graph_of
from dflow.shapes import TensorShape, as_shape
from dflow.specs import TensorSpec


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """The loop variables after `body` was repeated as long as `cond` is true.

    cond: a function of the loop variables that gives a scalar bool tensor.  body: a function of them that gives their
    next values, in the same structure, with the same dtypes.
    loop_vars: a list, tuple or nested structure of tensors, TensorArrays and the like.  They are the arguments of both
    functions.
    shape_invariants: the static shape (or TensorSpec) of each loop variable in all iterations; None: that of its first
    value.  Of a SparseTensor, it is the shape of its `dense_shape`; of IndexedSlices, that of their values.
    back_prop: whether gradients go through the loop.  Without a gradient that needs them, values of past iterations
    are not kept.  maximum_iterations: the largest number of iterations.
    parallel_iterations, swap_memory: accepted; an iteration begins when the one before has ended.
    return_same_structure: whether the result of a single loop variable keeps the structure of `loop_vars`.
    Operations of the body run once in each iteration, queue and variable operations included.
    Raises TypeError for functions that are none; ValueError for no loop variables, and for a variable whose shape
    changes unless `shape_invariants` allows it.
    Source: tf.while_loop.
    """
    if not callable(cond):
        raise TypeError("cond must be callable.")
    if not callable(body):
        raise TypeError("body must be callable.")
    if not _has_any(loop_vars):
        raise ValueError("No loop variables provided")
    if not isinstance(parallel_iterations, int) or parallel_iterations < 1:
        raise TypeError("parallel_iterations must be a positive integer.")
    graph = graph_of(nest.flatten(loop_vars, expand_composites=True))
    with scopes.building_in(graph), graph.name_scope(name or "while") as scope:
        if maximum_iterations is not None:
            cond, body, loop_vars, shape_invariants = _limited(
                graph, cond, body, loop_vars, shape_invariants, maximum_iterations
            )
        frame = graph.unique_name("while_context")
        loop = LoopBody(graph, scope[:-1], current_context(graph), frame, parallel_iterations, back_prop, swap_memory)
        result = _build(loop, cond, body, loop_vars, shape_invariants)
    if maximum_iterations is not None:
        result = result[1]
    if not return_same_structure and isinstance(result, (list, tuple)) and len(result) == 1:
        return result[0]
    return result


def _has_any(loop_vars: Any) -> bool:
    return bool(loop_vars) if isinstance(loop_vars, (list, tuple, dict)) else loop_vars is not None


def _limited(
    graph: Graph, cond: Any, body: Any, loop_vars: Any, shape_invariants: Any, maximum_iterations: Any
) -> tuple[Any, Any, Any, Any]:
    """A loop with a count of its iterations as its first variable."""
    from dflow.ops.math.compare import less, logical_and

    limit = convert_to_tensor(maximum_iterations, name="maximum_iterations")
    if limit.shape.ndims not in (None, 0):
        raise ValueError(f"maximum_iterations must be a scalar, saw shape: {limit.shape}")
    count = convert_to_tensor(limit.dtype.numpy_dtype.type(0), name="iteration_counter")
    single = len(loop_vars) == 1 if isinstance(loop_vars, (list, tuple, dict)) else True

    def limited_cond(i: Tensor, values: Any) -> Tensor:
        return logical_and(less(i, limit), cond(*_arguments(values)))

    def limited_body(i: Tensor, values: Any) -> Any:
        values = body(*_arguments(values))
        if single and not (isinstance(values, (list, tuple)) and len(values) == 1):
            values = [values]
        return i + 1, nest.pack_sequence_as(
            loop_vars, nest.flatten(values, expand_composites=True), expand_composites=True
        )

    if shape_invariants is not None:
        shape_invariants = (TensorShape([]), shape_invariants)
    return limited_cond, limited_body, (count, loop_vars), shape_invariants


def _arguments(values: Any) -> Any:
    return values if isinstance(values, (list, tuple)) else [values]


def _build(loop: LoopBody, cond: Any, body: Any, loop_vars: Any, shape_invariants: Any) -> Any:
    start = loop.graph.version
    firsts = [convert_to_tensor(leaf) for leaf in nest.flatten(loop_vars, expand_composites=True)]
    shapes = _shapes(loop_vars, shape_invariants)
    merged = [enter_variable(loop, first, shape) for first, shape in zip(firsts, shapes, strict=True)]
    with loop.building():
        loop.pivot = loop.merges[0]
        test = convert_to_tensor(cond(*_arguments(_packed(loop_vars, merged))))
        loop.test = loop_cond(test, name="LoopCond").op
        variables = [switch_variable(loop, i) for i in range(len(firsts))]
        loop.pivot = loop.variables[0]
        result = body(*_arguments(_packed(loop_vars, variables)))
        for i, value in enumerate(_next_values(loop_vars, result)):
            go_on_with(loop, i, convert_to_tensor(value))
    read_in_each_iteration(loop, start)
    return _packed(loop_vars, [exit_variable(loop, i) for i in range(len(firsts))])


def _packed(structure: Any, tensors: Sequence[Tensor]) -> Any:
    return nest.pack_sequence_as(structure, tensors, expand_composites=True)


# -- the operations of one loop variable


def enter_variable(loop: LoopBody, first: Tensor, shape: TensorShape | None = None) -> Tensor:
    """Add the Enter and the Merge of a variable: its value when the condition is computed.

    first: its first value, a tensor from outside.  shape: its static shape in all iterations; None: that of `first`.
    """
    graph, outer = loop.graph, first
    if loop.outer is not None:
        outer = loop.outer.take(first, f"{loop.name}/Enter")
    if shape is not None and not _allows(shape, outer.shape):
        raise ValueError(
            f"The shape invariant specified for {first.name} is not compatible with the initial shape of the loop "
            f"variable. It enters the loop with shape {outer.shape}, but the specified shape invariant is {shape}."
        )
    controls = graph.scope.control_inputs_for({outer.op}, ())
    if loop.outer is not None and not outer.op.operands and outer.op.context is not loop.outer:
        controls.append(loop.outer.pivot)
    entered = loop.enter(outer, f"{loop.name}/Enter", constant=False)
    entered.op.control_inputs += controls
    if shape is not None:
        entered._spec = TensorSpec(shape, entered.dtype)
    merge = loop.add("Merge", (entered, entered), f"{loop.name}/Merge")
    loop.enters.append(entered.op)
    loop.merges.append(merge)
    return merge.outputs[0]


def switch_variable(loop: LoopBody, i: int) -> Tensor:
    """Add the Switch of a variable, and the Identity that is its value in the body."""
    value, test = loop.merges[i].outputs[0], loop.test.outputs[0]
    with loop.graph.colocate_with(value.op, ignore_existing=True):
        switch = loop.add("Switch", (value, test), f"{loop.name}/Switch")
    variable = loop.add("Identity", (switch.outputs[1],), f"{loop.name}/Identity")
    loop.switches.append(switch)
    loop.variables.append(variable)
    return variable.outputs[0]


def go_on_with(loop: LoopBody, i: int, value: Tensor) -> None:
    """Give a variable its value for the next iteration."""
    merge, enter = loop.merges[i], loop.enters[i]
    value, first = loop.take(value, f"{loop.name}/NextIteration"), merge.outputs[0]
    if value.dtype != first.dtype:
        raise DTypeError(
            f"{merge.name}: the loop variable {enter.operands[0].name} is {first.dtype.name}, but {value.name}, its "
            f"value after one iteration, is {value.dtype.name}; cast() one of them"
        )
    if not _allows(first.shape, value.shape):
        raise ValueError(
            f"Input tensor '{enter.operands[0].name}' enters the loop with shape {first.shape}, but has shape "
            f"{value.shape} after one iteration. To allow the shape to vary across iterations, use the "
            "`shape_invariants` argument of tf.while_loop to specify a less-specific shape."
        )
    following = loop.add("NextIteration", (value,), f"{loop.name}/NextIteration")
    merge.update_operand(1, following.outputs[0])
    loop.nexts.append(following)


def exit_variable(loop: LoopBody, i: int) -> Tensor:
    """Add the Exit of a variable: its value after the loop, a tensor of the outer context."""
    switch = loop.switches[i]
    op = add_plain(loop.graph, loop.outer, "Exit", (switch.outputs[0],), f"{loop.name}/Exit")
    loop.exits.append(op)
    return op.outputs[0]


# -- structures and shapes


def _next_values(loop_vars: Any, result: Any) -> list[Any]:
    """The flat result of a body, whose structure must be that of the loop variables."""
    expected = list(loop_vars.values()) if isinstance(loop_vars, dict) else list(_arguments(loop_vars))
    if not (isinstance(result, (list, tuple)) or (isinstance(result, dict) and isinstance(loop_vars, dict))):
        result = [result]
    got = list(result.values()) if isinstance(result, dict) else list(result)
    nest.assert_same_structure(expected, got, expand_composites=True)
    return nest.flatten(result, expand_composites=True)


def _shapes(loop_vars: Any, shape_invariants: Any) -> list[TensorShape | None]:
    """The invariant of each flat loop variable; None: its own static shape."""
    leaves = nest.flatten(loop_vars)
    shapes = [None] * len(leaves) if shape_invariants is None else _flat_shapes(loop_vars, shape_invariants)
    if len(shapes) != len(leaves):
        raise ValueError(
            f"shape_invariants must have the structure of loop_vars: {len(leaves)} shapes, got {len(shapes)}"
        )
    flat: list[TensorShape | None] = []
    for leaf, shape in zip(leaves, shapes, strict=True):
        parts = nest.flatten(leaf, expand_composites=True)
        known = None if shape is None else _shape_of(leaf, shape)
        flat += [known] if len(parts) == 1 and parts[0] is leaf else _part_shapes(leaf, known, len(parts))
    return flat


def _flat_shapes(loop_vars: Any, shapes: Any) -> list[Any]:
    """The shapes, in the order of the variables; a shape may be a list, so that the variables give the structure."""
    if isinstance(loop_vars, dict):
        return [shape for key in sorted(loop_vars) for shape in _flat_shapes(loop_vars[key], shapes[key])]
    if isinstance(loop_vars, (list, tuple)) and not isinstance(shapes, TensorShape):
        if len(loop_vars) != len(shapes):
            raise ValueError(f"shape_invariants has {len(shapes)} entries for {len(loop_vars)} loop variables")
        return [shape for var, one in zip(loop_vars, shapes, strict=True) for shape in _flat_shapes(var, one)]
    return [shapes]


def _shape_of(leaf: Any, shape: Any) -> TensorShape:
    """A shape invariant as a shape.  TypeError for the spec of a tensor of another dtype, or for another object."""
    if not isinstance(shape, TensorSpec):
        return as_shape(shape)
    if nest.flatten(leaf, expand_composites=True) != [leaf]:
        raise TypeError(f"the shape invariant {shape} is that of a tensor, but the loop variable is {leaf!r}")
    dtype = convert_to_tensor(leaf).dtype
    if dtype != shape.dtype:
        raise TypeError(f"the shape invariant {shape} is of {shape.dtype.name}, but the loop variable is {dtype.name}")
    return shape.shape


def _part_shapes(leaf: Any, shape: TensorShape | None, parts: int) -> list[TensorShape | None]:
    """The invariants of the parts of an object of several tensors, from the invariant of the object."""
    of_parts = getattr(leaf, "_shape_invariants", None)
    return of_parts(shape) if of_parts is not None else [None] * parts


def _allows(wide: TensorShape, narrow: TensorShape) -> bool:
    """Whether all that `narrow` says of a shape is said by `wide`, or left open there."""
    if wide.ndims is None:
        return True
    if narrow.ndims != wide.ndims:
        return False
    return all(a is None or a == b for a, b in zip(wide.as_list(), narrow.as_list(), strict=True))
