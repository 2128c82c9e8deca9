"""The operations that branches and loops are made of: switch, merge, enter, exit, next_iteration, loop_cond.

Programs use `cond` and `while_loop`, which add these.  A value that does not come is `DEAD` (`dflow/dead.py`).

    Switch          data to its first output if pred is false, to its second one if it is true; the other one is dead
    Merge           the input that is not dead, and its number
    Enter           the first value of a loop variable, or a value that each iteration has
    NextIteration   the value of a loop variable for the next iteration
    LoopCond        the condition of a loop
    Exit            the value of a loop variable when the loop ends
    ControlTrigger  runs after its control inputs, dead or not

The compiler takes the operations of a loop together (`compile/frames.py`): outside of a loop's own program, no Enter,
NextIteration, LoopCond or Exit runs.
Source: control_flow_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dflow import nest
from dflow.dead import DEAD
from dflow.dtypes import bool_, int32
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor
from dflow.ops.array.fill import zeros_like
from dflow.ops.rules.static import only, same_dtype, spec_of
from dflow.registry import define, no_gradient, not_differentiable
from dflow.shapes import UNKNOWN_SHAPE
from dflow.specs import TensorSpec

# -- switch and merge


def switch(data: Any, pred: Any, name: str | None = None) -> tuple[Any, Any]:
    """Send `data` to one of two outputs: (the one if `pred` is false, the one if it is true).

    pred: a scalar bool.  The other output is dead: operations that depend on it do not run.
    Source: control_flow_ops.switch of TensorFlow 1.15.
    """
    if nest.is_composite(data):
        pairs = [switch(part, pred, name) for part in nest.flatten(data, expand_composites=True)]
        return tuple(nest.pack_sequence_as(data, parts, expand_composites=True) for parts in zip(*pairs, strict=True))
    at_false, at_true = add_op("Switch", data, pred, name=name)
    return at_false, at_true


def _switch_spec(data: TensorSpec, pred: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
    only(pred, pred.dtype == bool_, "a bool as its condition")
    pred.shape.with_rank(0)
    return data, data


def _switch_kernel(data: Any, pred: Any) -> tuple[Any, Any]:
    if pred.ndim:
        raise InvalidArgumentError(None, None, f"The condition must be a scalar, but it has shape {list(pred.shape)}")
    return (DEAD, data) if pred else (data, DEAD)


def _switch_gradient(op: Operation, at_false: Tensor | None, at_true: Tensor | None) -> list[Tensor | None]:
    """The gradient of the output that was taken: zeros if nothing depends on that one.

    Unlike other rules, this one gets None for such an output: zeros that are not dead would win the merge.
    """
    if at_false is None or at_true is None:
        zeros = switch(zeros_like(op.operands[0]), op.operands[1])
        at_false, at_true = (at_false, zeros[1]) if at_true is None else (zeros[0], at_true)
    return [merge([at_false, at_true])[0], None]


define("Switch", spec=_switch_spec, kernel=_switch_kernel, gradient=_switch_gradient)


class Merged(NamedTuple):
    """What `merge` gives."""

    output: Any
    value_index: Tensor


def merge(inputs: Sequence[Any], name: str | None = None) -> Merged:
    """The input that is not dead, and its index, an int32.  Waits for all of them.

    inputs: tensors, or SparseTensors or IndexedSlices with the same parts.

    ValueError if there are none; TypeError for inputs of different dtypes.
    Source: control_flow_ops.merge of TensorFlow 1.15.
    """
    if any(item is None for item in inputs):
        raise ValueError(f"At least one of the merge inputs is None: {inputs!r}")
    inputs = list(inputs)
    if inputs and all(map(nest.is_composite, inputs)):
        flat = zip(*(nest.flatten(item, expand_composites=True) for item in inputs), strict=True)
        merged = [merge(parts, name) for parts in flat]
        output = nest.pack_sequence_as(inputs[0], [part.output for part in merged], expand_composites=True)
        return Merged(output, merged[0].value_index)
    return Merged(*add_op("Merge", *[convert_to_tensor(item) for item in inputs], name=name))


def _merge_spec(*inputs: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
    if not inputs:
        raise ValueError("merge needs at least one input")
    same_dtype(*inputs)
    return TensorSpec(_common_shape(inputs), inputs[0].dtype), spec_of((), int32)


def _common_shape(inputs: Sequence[TensorSpec]) -> Any:
    """The shape that all inputs have: a size in which they differ is unknown."""
    first, *rest = (spec.shape for spec in inputs)
    if first.ndims is None or any(shape.ndims != first.ndims for shape in rest):
        return UNKNOWN_SHAPE
    sizes = zip(first.as_list(), *(shape.as_list() for shape in rest), strict=True)
    return [size[0] if all(it == size[0] for it in size) else None for size in sizes]


def _merge_kernel(*inputs: Any) -> tuple[Any, Any]:
    for i, value in enumerate(inputs):
        if value is not DEAD:
            return value, np.asarray(i, np.int32)
    return DEAD, DEAD


def _merge_gradient(op: Operation, dy: Tensor, index: Tensor | None) -> list[Tensor]:
    """Each input gets the gradient: the context of its branch lets it through only if the branch was taken."""
    return [dy for _ in op.operands]


define("Merge", spec=_merge_spec, kernel=_merge_kernel, gradient=_merge_gradient)


# -- loops


def enter(
    data: Any, frame_name: str, is_constant: bool = False, parallel_iterations: int = 10, name: str | None = None
) -> Tensor:
    """The first value of a loop variable; with `is_constant` a value that each iteration has.

    frame_name: the same for all of a loop's Enter operations.  The static shape of a loop variable is not known.
    Source: tf.raw_ops.Enter.
    """
    attrs = {"frame_name": frame_name, "is_constant": is_constant, "parallel_iterations": parallel_iterations}
    tensor: Tensor = add_op("Enter", data, name=name, **attrs)
    return tensor


def _Enter(
    data: Any,
    frame_name: str,
    is_constant: bool = False,
    parallel_iterations: int = 10,
    use_ref: bool = True,
    use_input_shape: bool = True,
    name: str | None = None,
) -> Any:
    """As `enter`, also for an object of several tensors.  use_input_shape: whether the static shape is that of `data`.

    Source: control_flow_ops._Enter of TensorFlow 1.15.
    """

    def enter_part(part: Any) -> Tensor:
        part = convert_to_tensor(part)
        entered = enter(part, frame_name, is_constant, parallel_iterations, name)
        if use_input_shape:
            entered._spec = part.spec
        return entered

    return _each_part(enter_part, data)


def _each_part(function: Callable[[Any], Tensor], data: Any) -> Any:
    """The result of a function of a tensor; of an object of several tensors, the object of the results."""
    return nest.map_structure(function, data, expand_composites=True)


def exit(data: Any, name: str | None = None) -> Any:
    """The value of a loop variable when the loop ends.  Source: tf.raw_ops.Exit."""
    return _each_part(lambda part: add_op("Exit", part, name=name), data)


def next_iteration(data: Any, name: str | None = None) -> Any:
    """The value of a loop variable for the next iteration.  Source: tf.raw_ops.NextIteration."""
    return _each_part(lambda part: add_op("NextIteration", part, name=name), data)


_NextIteration = next_iteration


def loop_cond(pred: Any, name: str | None = None) -> Tensor:
    """The condition of a loop: while it is true, there is one more iteration.  Source: tf.raw_ops.LoopCond."""
    tensor: Tensor = add_op("LoopCond", pred, name=name)
    return tensor


def _enter_spec(data: TensorSpec, frame_name: str, is_constant: bool, parallel_iterations: int) -> TensorSpec:
    return data if is_constant else spec_of(UNKNOWN_SHAPE, data.dtype)


def _enter_kernel(data: Any, frame_name: str, is_constant: bool, parallel_iterations: int) -> Any:
    return data


def _same_spec(data: TensorSpec) -> TensorSpec:
    return data


def _same_kernel(data: Any) -> Any:
    return data


def _condition_spec(pred: TensorSpec) -> TensorSpec:
    only(pred, pred.dtype == bool_, "a bool")
    pred.shape.with_rank(0)
    return pred


_OF_A_LOOP = "the gradient of a loop goes through all of it; `gradients` adds another loop"

define("Enter", spec=_enter_spec, kernel=_enter_kernel, gradient=no_gradient(_OF_A_LOOP))
define("Exit", spec=_same_spec, kernel=_same_kernel, gradient=no_gradient(_OF_A_LOOP))
define("NextIteration", spec=_same_spec, kernel=_same_kernel, gradient=no_gradient(_OF_A_LOOP))
define("LoopCond", spec=_condition_spec, kernel=_same_kernel, gradient=not_differentiable)


# -- order


def control_trigger(name: str | None = None) -> Operation:
    """An operation that runs after its control inputs, also if they are dead.  Source: tf.raw_ops.ControlTrigger."""
    operation: Operation = add_op("ControlTrigger", name=name)
    return operation


def _no_spec() -> tuple[TensorSpec, ...]:
    return ()


def _no_kernel() -> tuple[Any, ...]:
    return ()


define("ControlTrigger", spec=_no_spec, kernel=_no_kernel, gradient=no_gradient("it has no outputs"))
