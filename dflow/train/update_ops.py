"""The update operations of optimizers: one for dense gradients and one for the rows of indexed slices, of one rule.

    def _rule(grad, value, accum, *, lr, momentum):
        accum = accum * momentum + grad
        return value - lr * accum, accum

    define_update("Momentum", _rule, slots=("accum",), operands=("lr", "grad", "momentum"))

An update is one operation on the variable's device.  It reads and replaces the variable and its slots under their
locks, so that concurrent updates happen one after the other, each with a slot that fits its variable.  A rule is
elementwise, so that it serves whole variables, and rows of them, alike.

Why locks are always taken in the order variable, then slots: two updates of one variable cannot wait for each other.
Why a rule changes none of its arguments: a step that read the variable before still holds its old value.  A new value
is computed in memory of its own, by operators such as `+=`; only rows are written in place, see `variable_state.py`.
Source: training_ops of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from dflow.errors import DTypeError, InvalidArgumentError, ShapeError
from dflow.graph import Operation, Tensor, create_op
from dflow.ops.array.indexed_slices import IndexedSlices
from dflow.ops.rules.arrays import check_indices, pairwise
from dflow.ops.state.variable_state import VariableState, state_of
from dflow.ops.state.variables import Variable
from dflow.registry import KernelContext, define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec, VariableSpec

__all__ = ["apply_update", "define_update"]

Rule = Callable[..., Sequence[Any]]  # (grad, value, *slots, **operands and attributes) -> the new value and slots

STATE = no_gradient("an update of a variable is a side effect")
_OPERANDS: dict[str, tuple[str, ...]] = {}  # kind without "Apply" -> its operands, in order
_ANY_DTYPE = frozenset(["global_step"])


def define_update(
    kind: str,
    rule: Rule,
    slots: tuple[str, ...],
    operands: tuple[str, ...],
    sparse: bool = True,
    inplace: bool = False,
) -> None:
    """Define the operation `Apply<kind>` and, if sparse, `SparseApply<kind>`.

    slots: the attributes with the slots; operands: their names in TensorFlow's order, with "grad" for the gradient;
    the others are scalars of the variable's dtype.  inplace: whether the rule takes `out`, the gradient, if it may be
    overwritten, else None.
    """
    _OPERANDS[kind] = operands
    define(
        f"Apply{kind}",
        spec=_dense_spec(operands),
        kernel=_dense_kernel(rule, slots, operands, inplace),
        gradient=STATE,
        stateful=True,
        inplace=(operands.index("grad"),) if inplace else (),
        handles=("variable", *slots),
    )
    if sparse:
        define(
            f"SparseApply{kind}",
            spec=_sparse_spec(operands),
            kernel=_sparse_kernel(rule, slots, operands),
            gradient=STATE,
            stateful=True,
            handles=("variable", *slots),
        )


def apply_update(
    kind: str,
    var: Variable,
    grad: Tensor | IndexedSlices,
    operands: dict[str, Any],
    slots: dict[str, Any],
    **attrs: Any,
) -> Operation:
    """The update of a variable by a gradient, of which no index comes twice if it is IndexedSlices.

    operands: the scalars by name; slots: the slot variables by name.
    """
    values = {**operands, "grad": grad}
    specs = {name: slot.spec for name, slot in slots.items()}
    inputs: list[Any] = []
    for name in _OPERANDS[kind]:
        value = values[name]
        inputs += [value.values, value.indices] if isinstance(value, IndexedSlices) else [value]
    sparse = "Sparse" if isinstance(grad, IndexedSlices) else ""
    return create_op(f"{sparse}Apply{kind}", *inputs, variable=var.spec, **specs, **attrs)


# -- shapes and dtypes


def _dense_spec(operands: Sequence[str]) -> Callable[..., TensorSpec]:
    def spec(*inputs: TensorSpec, variable: VariableSpec, **attrs: Any) -> TensorSpec:
        for name, operand in zip(operands, inputs, strict=True):
            _check_operand(name, operand, variable)
            if name == "grad" and not operand.shape.is_compatible_with(variable.shape):
                raise ShapeError(f"variable {variable.name!r} is {variable.shape}, its gradient is {operand.shape}")
        return TensorSpec(variable.shape, variable.dtype)

    return spec


def _sparse_spec(operands: Sequence[str]) -> Callable[..., TensorSpec]:
    place = operands.index("grad")

    def spec(*inputs: TensorSpec, variable: VariableSpec, **attrs: Any) -> TensorSpec:
        grad, indices = inputs[place : place + 2]
        for name, operand in zip(operands, (*inputs[: place + 1], *inputs[place + 2 :]), strict=True):
            _check_operand(name, operand, variable)
        if not indices.dtype.is_integer:
            raise DTypeError(f"variable {variable.name!r}: indices are integers, got {indices.dtype.name}")
        rows = indices.shape.with_rank(1).concatenate(variable.shape[1:] if variable.shape else TensorShape(None))
        if not grad.shape.is_compatible_with(rows):
            raise ShapeError(f"rows of variable {variable.name!r} are {rows}, the gradient of them is {grad.shape}")
        return TensorSpec(variable.shape, variable.dtype)

    return spec


def _check_operand(name: str, operand: TensorSpec, variable: VariableSpec) -> None:
    if operand.dtype != variable.dtype and name not in _ANY_DTYPE:
        raise DTypeError(f"variable {variable.name!r} is {variable.dtype.name}, its {name} is {operand.dtype.name}")
    if name != "grad" and not operand.shape.is_compatible_with(()):
        raise ShapeError(f"variable {variable.name!r}: {name} must be a scalar, got {operand.shape}")


# -- kernels


def _dense_kernel(rule: Rule, slots: Sequence[str], operands: Sequence[str], inplace: bool) -> Callable[..., Any]:
    def kernel(context: KernelContext, *arrays: Any, variable: VariableSpec, out: Any = None, **attrs: Any) -> Any:
        if inplace:
            attrs["out"] = out
        specs = [variable, *(attrs.pop(slot) for slot in slots)]
        named = dict(zip(operands, arrays, strict=True))
        grad = named.pop("grad")

        def change(*values: Any) -> Sequence[Any]:
            for spec, value in zip(specs, values, strict=True):
                if tuple(value.shape) != tuple(grad.shape):
                    raise InvalidArgumentError(
                        None,
                        None,
                        f"variable {spec.name!r} and the gradient do not have the same shape: "
                        f"{list(value.shape)} {list(grad.shape)}",
                    )
            return rule(grad, *values, **named, **attrs)

        return update_together([state_of(context, spec) for spec in specs], (), change)[0]

    return kernel


def update_together(
    states: Sequence[VariableState], values: tuple[Any, ...], change: Callable[..., Sequence[Any]]
) -> Sequence[Any]:
    """Hold the locks of all states, in their order, and replace their values by `change(*values)`; gives the new ones.

    Nothing is replaced if `change` fails.
    """
    if not states:
        return change(*values)
    results: list[Sequence[Any]] = []

    def replace(value: Any) -> Any:
        results.append(update_together(states[1:], (*values, value), change))
        return results[0][len(values)]

    states[0].update(replace)
    return results[0]


def _sparse_kernel(rule: Rule, slots: Sequence[str], operands: Sequence[str]) -> Callable[..., Any]:
    place = operands.index("grad")

    def kernel(context: KernelContext, *arrays: Any, variable: VariableSpec, **attrs: Any) -> Any:
        specs = [variable, *(attrs.pop(slot) for slot in slots)]
        indices = arrays[place + 1]
        named = dict(zip(operands, (*arrays[: place + 1], *arrays[place + 2 :]), strict=True))
        grad = named.pop("grad")
        states = [state_of(context, spec) for spec in specs]
        with ExitStack() as locks:
            values = [locks.enter_context(state.rows()) for state in states]
            for spec, value in zip(specs, values, strict=True):
                _check_rows(spec, value, grad, indices)
            new = rule(grad, *(value[indices] for value in values), **named, **attrs)
            for value, rows in zip(values, new, strict=True):
                value[indices] = rows
        return states[0].read()

    return kernel


def _check_rows(spec: VariableSpec, value: Any, grad: Any, indices: Any) -> None:
    if tuple(grad.shape) != (*indices.shape, *value.shape[1:]) or indices.ndim != 1:
        raise InvalidArgumentError(
            None,
            None,
            f"variable {spec.name!r} of shape {list(value.shape)} does not fit a gradient of shape {list(grad.shape)} "
            f"at indices of shape {list(indices.shape)}",
        )
    check_indices(indices, value.shape[0])


def _multiply_kernel(context: KernelContext, factor: Any, variable: VariableSpec) -> Any:
    return state_of(context, variable).update(lambda value: pairwise("multiply", value, factor))


define("AssignMul", spec=_dense_spec(("grad",)), kernel=_multiply_kernel, gradient=STATE, stateful=True)
