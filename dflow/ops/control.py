"""Operations that order others: identity, no_op, group, tuple, with_dependencies.

Source: control_flow_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, overload

from dflow import nest
from dflow.errors import InvalidArgumentError
from dflow.graph import Operation, Tensor, add_op, convert_to_tensor, create_op, get_default_graph, scopes
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.checks.summary import summarized
from dflow.ops.rules.batching import each
from dflow.ops.rules.libraries import as_numpy
from dflow.ops.rules.named import scope_of
from dflow.ops.rules.static import graph_of, only
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec


def identity(input: Any, name: str | None = None) -> Tensor:
    """The same value, as an operation of its own, which can have control dependencies and a device."""
    tensor: Tensor = add_op("Identity", input, name=name)
    return tensor


def _Identity(tensor: Any, name: str | None = None) -> Any:
    """As `identity`, also for an object of several tensors; of a variable, the value after the control inputs.

    Source: control_flow_ops._Identity of TensorFlow 1.15.
    """

    def identity_of(part: Any) -> Tensor:
        part = getattr(part, "_ref", lambda: part)()
        part = convert_to_tensor(part)
        if part.op.type == "VariableV2":  # it stands for the variable, not for a value of it
            value: Tensor = create_op(
                "ReadVariable", name=name or "Identity", variable=part.op.attrs["variable"]
            ).outputs[0]
            return value
        return identity(part, name)

    return nest.map_structure(identity_of, tensor, expand_composites=True)


def _same_spec(x: TensorSpec) -> TensorSpec:
    return x


def _same_kernel(x: Any) -> Any:
    return x


def _first_kernel(kernel: Any, arrays: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]) -> Any:
    return arrays[0]


def _identity_gradient(op: Operation, dy: Tensor) -> Tensor:
    return dy


define("Identity", spec=_same_spec, kernel=_same_kernel, gradient=_identity_gradient, batch=_first_kernel)


def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """The same value; gradients treat it as a constant."""
    tensor: Tensor = add_op("StopGradient", input, name=name)
    return tensor


def _blocked_gradient(op: Operation, dy: Tensor) -> None:
    return None


define("StopGradient", spec=_same_spec, kernel=_same_kernel, gradient=_blocked_gradient, batch=_first_kernel)


def no_op(name: str | None = None) -> Operation:
    """An operation that does nothing: a point that others wait for."""
    return create_op("NoOp", name=name)


def _no_spec() -> tuple[TensorSpec, ...]:
    return ()


def _no_kernel() -> tuple[Any, ...]:
    return ()


define("NoOp", spec=_no_spec, kernel=_no_kernel, gradient=no_gradient("it has no outputs"))


def _operation_of(item: Any) -> Operation:
    element = get_default_graph().as_graph_element(item) if not isinstance(item, (Tensor, Operation)) else item
    return element.op if isinstance(element, Tensor) else element


def group(*inputs: Any, name: str | None = None, **kwargs: Any) -> Operation:
    """An operation that ends after all of `inputs` (operations, tensors, variables; nested lists; None is skipped).

    With inputs on several devices, one no_op a device waits there and the result waits for these.
    TypeError for anything else.
    """
    ops = [_operation_of(item) for item in _flat(inputs)]
    if not ops:
        return no_op(name=name)
    graph = ops[0].graph
    by_device: dict[str, list[Operation]] = {}
    for op in dict.fromkeys(ops):
        by_device.setdefault(op.device, []).append(op)
    with graph.as_default(), graph.name_scope(None if name and name.endswith("/") else graph.scope.name_scope + "/"):
        if len(by_device) == 1:
            ((_, members),) = by_device.items()
            return _after(members, name or "group_deps")
        with graph.name_scope(name or "group_deps") as scope:
            parts = [_after(members, "NoOp") for members in by_device.values()]
            with graph.control_dependencies(parts):
                return no_op(name=scope)


def _after(members: Sequence[Operation], name: str) -> Operation:
    """A no_op that ends after `members`, which share a requested device; it is on their device."""
    graph = members[0].graph
    place = graph.colocate_with(members[0]) if members[0].device else nullcontext()
    with place, graph.control_dependencies(members):
        return no_op(name=name)


def _flat(items: Any) -> list[Any]:
    flat: list[Any] = []
    for item in items:
        if isinstance(item, (list, tuple)):
            flat.extend(_flat(item))
        elif item is not None:
            flat.append(item)
    return flat


@overload
def with_dependencies(dependencies: Sequence[Any], output_tensor: IndexedSlices, name: str | None = None) -> Any: ...


@overload
def with_dependencies(dependencies: Sequence[Any], output_tensor: Any, name: str | None = None) -> Tensor: ...


def with_dependencies(dependencies: Sequence[Any], output_tensor: Any, name: str | None = None) -> Any:
    """The value of `output_tensor`, a tensor or IndexedSlices, after all of `dependencies` ended."""
    graph = get_default_graph()
    if isinstance(output_tensor, IndexedSlices):
        values = with_dependencies(dependencies, output_tensor.values, name)
        indices = with_dependencies(dependencies, output_tensor.indices, name)
        return IndexedSlices(values, indices, output_tensor.dense_shape)
    tensor = convert_to_tensor(output_tensor)
    with graph.control_dependencies(dependencies), graph.colocate_with(tensor):
        result: Tensor = _Identity(tensor, name or "control_dependency")
        return result


def tuple_(tensors: Sequence[Any], name: str | None = None, control_inputs: Sequence[Any] | None = None) -> list[Any]:
    """The same tensors, none of which is there before all of them (and `control_inputs`) are.

    ValueError if there is no tensor.  None entries stay None.  Exported as `dflow.tuple`.
    """
    graph = graph_of(tensors)
    with scopes.building_in(graph):
        converted = [
            t if t is None or isinstance(t, (Operation, IndexedSlices)) else convert_to_tensor(t) for t in tensors
        ]
    # A variable is waited for, and not read: its value is needed only where its own entry is used.
    gates = [getattr(t, "op", c) for t, c in zip(tensors, converted, strict=True) if c is not None]
    if not gates:
        raise ValueError(f"Must have at least one Tensor: {tensors!r}")
    with scopes.building_in(graph), graph.name_scope(name or "tuple"):
        gate = group(*gates, *(control_inputs or ()), name="group_deps")
        return [
            None if t is None else gate if isinstance(t, Operation) else with_dependencies([gate], t) for t in converted
        ]


def Assert(condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None) -> Operation:
    """An operation that fails with InvalidArgumentError, which shows `data`, unless `condition` is true.

    condition: a scalar bool; data: one tensor or more; summarize: the number of values shown of each, None: 3,
    all if negative.
    It only runs where another operation depends on it.
    """
    if not isinstance(data, (list, tuple)):
        raise TypeError(f"data must be a list of tensors to show, got {data!r}")
    if not data:
        raise ValueError("data must hold at least one value that is shown")
    with scope_of((condition, *data), name, "Assert"):
        return create_op(
            "Assert",
            convert_to_tensor(condition, name="Assert/condition"),
            *(convert_to_tensor(item, name=f"Assert/data_{i}") for i, item in enumerate(data)),
            name="Assert",
            summarize=3 if summarize is None else int(summarize),
        )


def _assert_spec(condition: TensorSpec, *data: TensorSpec, summarize: int) -> tuple[TensorSpec, ...]:
    only(condition, condition.dtype.is_bool, "a bool as its condition")
    condition.shape.with_rank(0)
    return ()


def _assert_kernel(condition: Any, *data: Any, summarize: int) -> tuple[Any, ...]:
    if condition.ndim:
        raise InvalidArgumentError(None, None, f"the condition is a scalar, its shape is {list(condition.shape)}")
    if not bool(condition):
        shown = "] [".join(summarized(as_numpy(d), summarize) for d in data)
        raise InvalidArgumentError(None, None, f"assertion failed: [{shown}]")
    return ()


define(
    "Assert",
    spec=_assert_spec,
    kernel=_assert_kernel,
    gradient=no_gradient("it has no outputs"),
    batch=each,
    host_only=True,
)
