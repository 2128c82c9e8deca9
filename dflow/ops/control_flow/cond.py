"""Branches: `cond`, `case`, `switch_case`, `smart_cond`.

    y = cond(n > 0, lambda: queue.dequeue(), lambda: tf.constant(0.0))   # dequeues only if n > 0

Both functions are called while the graph is built.  Operations that they add run only if their branch is taken, queue
and variable operations included.  What was built before, and is only used in a branch, runs in any case.
Source: tf.cond, tf.case, tf.switch_case of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dflow import nest
from dflow.dtypes import int64
from dflow.graph import Graph, GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.graph.contexts import Branch, current_context
from dflow.ops.array.cast import cast
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.control import Assert, group, identity, no_op, with_dependencies
from dflow.ops.control_flow.gates import merge, switch
from dflow.ops.rules.static import constant_value, is_symbolic

Function = Callable[[], Any]


def cond(
    pred: Any,
    true_fn: Function | None = None,
    false_fn: Function | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Function | None = None,
    fn2: Function | None = None,
) -> Any:
    """The result of `true_fn()` if `pred` is true in a run, else that of `false_fn()`.

    pred: a scalar bool tensor.  true_fn, false_fn: functions without arguments that give a tensor, an operation, or a
    nested structure of these, of the same form and dtypes.  An operation becomes a bool tensor, which is there when the
    operation has run.  strict: whether a list of one tensor stays a list.  fn1, fn2: old names of the two functions.
    Only the operations that were built by the function of the taken branch run.
    Raises TypeError for a Python bool, for a function that is none, and for results of different forms or dtypes;
    ValueError for a function that returns None.
    Source: tf.cond.
    """
    true_fn = _one_of("true_fn", true_fn, "fn1", fn1)
    false_fn = _one_of("false_fn", false_fn, "fn2", fn2)
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool")
    pred = convert_to_tensor(pred)
    graph = pred.graph
    with scopes.building_in(graph), graph.name_scope(name or "cond") as scope:
        at_false, at_true = switch(pred, pred)
        pivots = identity(at_false, name="switch_f"), identity(at_true, name="switch_t")
        pred = identity(pred, name="pred_id")
        for gate in (at_false.op, *(pivot.op for pivot in pivots), pred.op):
            graph.prevent_fetching(gate)
        outer = current_context(graph)
        branches = [Branch(graph, scope[:-1], outer, pred, i, pivots[i].op) for i in (0, 1)]
        if_true = _build(branches[1], true_fn, "true_fn")
        if_false = _build(branches[0], false_fn, "false_fn")
        _check_structures(if_true, if_false)
        wide = _differ_in_indices(if_true, if_false)
        trues, falses = _flat(branches[1], if_true, wide), _flat(branches[0], if_false, wide)
        _check_dtypes(trues, falses)
        merged = [_merge(pair) for pair in zip(falses, trues, strict=True)]
    result = nest.pack_sequence_as(if_true, merged, expand_composites=True)
    return result if strict else _without_singleton(result)


def _one_of(name: str, function: Function | None, old: str, old_function: Function | None) -> Function:
    if old_function is not None:
        if function is not None:
            raise TypeError(f"cond(): {name} and {old} may not be set simultaneously.")
        function = old_function
    if function is None:
        raise TypeError(f"cond(): {name} argument required")
    if not callable(function):
        raise TypeError(f"{name} must be callable.")
    return function


def _build(branch: Branch, function: Function, name: str) -> Any:
    """The result of the function of a branch."""
    with branch.building():
        result = _with_summaries(branch.graph, function)
    if result is None:
        raise ValueError(f"{name} must have a return value.")
    return result


def _differ_in_indices(if_true: Any, if_false: Any) -> list[bool]:
    """For each leaf of the results, whether they are IndexedSlices whose indices are of different dtypes."""
    pairs = zip(nest.flatten(if_true), nest.flatten(if_false), strict=True)
    return [
        all(isinstance(it, IndexedSlices) for it in (a, b)) and a.indices.dtype != b.indices.dtype for a, b in pairs
    ]


def _flat(branch: Branch, result: Any, wide: Sequence[bool]) -> list[Tensor]:
    """The tensors of the result of a branch, all of them of the branch.  wide: which leaves get int64 indices."""
    with branch.building():
        leaves = [
            IndexedSlices(leaf.values, cast(leaf.indices, int64), leaf.dense_shape) if is_wide else leaf
            for leaf, is_wide in zip(nest.flatten(result), wide, strict=True)
        ]
        parts = nest.flatten(leaves, expand_composites=True)
        return [branch.take(_as_tensor(branch, part), "Merge") for part in parts]


def _with_summaries(graph: Graph, function: Function) -> Any:
    """The result of the function.  Summaries that it adds run with the branch, and are in no collection."""
    summaries = graph.get_collection_ref(GraphKeys.SUMMARIES)
    before = len(summaries)
    result = function()
    new, summaries[before:] = summaries[before:], []
    if not new:
        return result
    with graph.control_dependencies(new):
        if result is None:
            return no_op()
        if isinstance(result, Operation):
            return group(result)
        return nest.map_structure(identity, result)


def _as_tensor(branch: Branch, leaf: Any) -> Tensor:
    if isinstance(leaf, Operation):
        tensor: Tensor = with_dependencies([leaf], branch.pivot.outputs[0])
        return tensor
    return convert_to_tensor(leaf)


def _check_structures(if_true: Any, if_false: Any) -> None:
    try:
        nest.assert_same_structure(if_true, if_false, expand_composites=True)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Incompatible return types of true_fn and false_fn: {error}") from None


def _check_dtypes(trues: Sequence[Tensor], falses: Sequence[Tensor]) -> None:
    for at_true, at_false in zip(trues, falses, strict=True):
        if at_true.dtype != at_false.dtype:
            raise ValueError(
                "Outputs of true_fn and false_fn must have the same type: "
                f"{at_true.dtype.name}, {at_false.dtype.name} ({at_true.name}, {at_false.name})"
            )


def _merge(pair: Sequence[Tensor]) -> Tensor:
    merged: Tensor = merge(pair)[0]
    return merged


def _without_singleton(result: Any) -> Any:
    return result[0] if isinstance(result, (list, tuple)) and len(result) == 1 else result


# -- known conditions


def smart_cond(
    pred: Any, true_fn: Function | None = None, false_fn: Function | None = None, name: str | None = None
) -> Any:
    """Like `cond`; if the condition is known while the graph is built, only that branch is built.

    pred: a Python bool, 0 or 1, or a tensor.  Source: tf.contrib.framework.smart_cond.
    """
    if not callable(true_fn):
        raise TypeError("`true_fn` must be callable.")
    if not callable(false_fn):
        raise TypeError("`false_fn` must be callable.")
    known = smart_constant_value(pred)
    if known is None:
        return cond(pred, true_fn, false_fn, name=name)
    return true_fn() if known else false_fn()


def smart_constant_value(pred: Any) -> bool | None:
    """The value of a condition that is known while the graph is built, else None.  TypeError for anything else."""
    if isinstance(pred, (bool, np.bool_)):
        return bool(pred)
    if isinstance(pred, int) and pred in (0, 1):
        return bool(pred)
    if is_symbolic(pred):
        value = constant_value(convert_to_tensor(pred))
        return None if value is None else bool(value)
    raise TypeError(f"`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: {type(pred)}")


# -- several branches


def case(
    pred_fn_pairs: Any,
    default: Function | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """The result of the function whose condition is the first that is true; of `default` if none is.

    pred_fn_pairs: a list of (condition, function), or a dict, whose conditions must be exclusive or are taken in order.
    exclusive: whether it is an error if more than one condition is true.  Without a default, it is an error if none is.
    Both errors are InvalidArgumentErrors of the run.
    Raises TypeError for other pairs; ValueError for no pairs.
    Source: tf.case.
    """
    pairs = _checked_pairs(pred_fn_pairs)
    if default is not None and not callable(default):
        raise TypeError("default must be callable.")
    graph = get_default_graph()
    with graph.name_scope(name):
        preds = [convert_to_tensor(pred) for pred, _ in pairs]
        checks = [_at_most_one(preds)] if exclusive and len(preds) > 1 else []
        with graph.control_dependencies(checks):
            return _chain(preds, [function for _, function in pairs], default, strict)


def _chain(preds: Sequence[Tensor], functions: Sequence[Function], default: Function | None, strict: bool) -> Any:
    names = ", ".join(pred.name for pred in preds)
    if default is None:
        *functions, last = functions
        rest: Function = partial(_or_fail, preds[-1], last, names)
        preds = preds[:-1]
        if not preds:
            return rest() if strict else _without_singleton(rest())
    else:
        rest = default
    for pred, function in reversed(list(zip(preds, functions, strict=True))):
        rest = partial(cond, pred, function, rest, strict=True)
    result = rest()
    return result if strict else _without_singleton(result)


def _or_fail(pred: Tensor, function: Function, names: str) -> Any:
    """The last function of a case without a default, after a check that its condition is true."""
    message = f"None of conditions evaluated as True. Conditions: ({names})"
    with get_default_graph().control_dependencies([Assert(pred, [message], name="assert_one_is_true")]):
        return nest.map_structure(_after_check, function())


def _after_check(value: Any) -> Any:
    return group(value) if isinstance(value, Operation) else identity(value)


def _at_most_one(preds: Sequence[Tensor]) -> Operation:
    from dflow.ops.array.stack import stack
    from dflow.ops.math.compare import less_equal
    from dflow.ops.math.reduction import reduce_sum

    together = stack(list(preds))
    count = reduce_sum(cast(together, "int32"))
    names = ", ".join(pred.name for pred in preds)
    message = f"Input error: exclusive=True: more than 1 conditions ({names}) evaluated as True:"
    return Assert(less_equal(count, 1), [message, together], summarize=len(preds))


def _checked_pairs(pairs: Any) -> list[tuple[Any, Function]]:
    if isinstance(pairs, Mapping):
        pairs = list(pairs.items())
    if not isinstance(pairs, (list, tuple)):
        raise TypeError("'pred_fn_pairs' must be a list, tuple, or dict")
    if not pairs:
        raise ValueError("pred_fn_pairs must be non-empty")
    for pair in pairs:
        if not isinstance(pair, tuple):
            raise TypeError("Each entry in pred_fn_pairs must be a tuple")
        if len(pair) != 2:
            raise ValueError("Each tuple in pred_fn_pairs must have length 2")
        pred, function = pair
        if not is_symbolic(pred) and not isinstance(pred, (bool, np.bool_)):
            raise TypeError(f"pred must be Tensor, got {type(pred)}")
        if isinstance(pred, Tensor) and pred.dtype.name != "bool":
            raise TypeError(f"pred must be Tensor of type bool: {pred.name}")
        if not callable(function):
            raise TypeError(f"fn for pred {pred} must be callable.")
    return list(pairs)


def switch_case(branch_index: Any, branch_fns: Any, default: Function | None = None, name: str = "switch_case") -> Any:
    """The result of the function with the number `branch_index`.

    branch_index: an int32 scalar.  branch_fns: a list of functions, or of (number, function) with the numbers 0 to
    n - 1, or a dict.  An index outside of these: `default`, or the last function.
    Raises TypeError and ValueError for other functions.
    Source: tf.switch_case of TensorFlow 1.15.
    """
    functions = _numbered(branch_fns)
    if default is not None and not callable(default):
        raise TypeError("default must be callable.")
    from dflow.ops.math.compare import equal

    graph = get_default_graph()
    with graph.name_scope(name):
        index = convert_to_tensor(branch_index, name="branch_index")
        if not index.dtype.is_integer:
            raise TypeError(f"branch_index must be an integer, got {index.dtype.name}")
        *named, last = functions if default is None else [*functions, default]
        rest: Function = last
        for i, function in reversed(list(enumerate(named))):
            rest = partial(cond, equal(index, np.asarray(i, index.dtype.numpy_dtype)), function, rest, strict=True)
        return _without_singleton(rest())


def _numbered(functions: Any) -> list[Function]:
    if isinstance(functions, Mapping):
        functions = sorted(functions.items())
    if not isinstance(functions, (list, tuple)):
        raise TypeError("branch_fns must be a list, tuple, or dict")
    if not functions:
        raise ValueError("Must provide at least one item in branch_fns")
    if all(callable(function) for function in functions):
        functions = list(enumerate(functions))
    for pair in functions:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Each entry in branch_fns must be a tuple (int, function), or a function")
        number, function = pair
        if not isinstance(number, int):
            raise TypeError(f"key must be a Python `int`, got {type(number)}")
        if not callable(function):
            raise TypeError(f"fn for key {number} must be callable.")
    if sorted(number for number, _ in functions) != list(range(len(functions))):
        raise ValueError(f"branch indices must form contiguous range of [0 to {len(functions)}) but found {functions}")
    return [function for _, function in sorted(functions, key=lambda pair: pair[0])]


__all__ = ["case", "cond", "smart_cond", "smart_constant_value", "switch_case"]
