"""The gradient rules that programs register: by the name of a kind of operation, or by a name of their own.

An operation takes the rule that its graph's `gradient_override_map` named when it was made, else the one that was
registered for its kind, else the one of its definition.
Source: tf.RegisterGradient, tf.NotDifferentiable of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dflow import registry
from dflow.graph import Operation
from dflow.graph.origin import user_line
from dflow.registry import OPS, not_differentiable

__all__ = ["NoGradient", "NotDifferentiable", "RegisterGradient", "is_registered", "rule_of"]

Rule = Callable[..., Any]
F = TypeVar("F", bound=Rule)

_REGISTERED: dict[str, tuple[Rule | None, str]] = {}  # name -> its rule (None: counts as a constant), the user's line


class RegisterGradient:
    """A decorator that makes a function the gradient of a kind of operation: `@RegisterGradient("MyOp")`.

    op_type: the kind, or another name, which `Graph.gradient_override_map` can give to operations of any kind.
    The function gets the operation and the gradient of each of its outputs, and gives one of each of its inputs: a
    tensor, IndexedSlices or None.

    TypeError for a name that is no string; KeyError for one that has a gradient already.
    """

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError("op_type must be a string")
        self._op_type = op_type

    def __call__(self, f: F) -> F:
        _register(self._op_type, f)
        return f


def NotDifferentiable(op_type: str) -> None:
    """Say that operations of a kind count as constants: no gradient goes through them.

    TypeError for a name that is no string; KeyError for one that has a gradient already.
    """
    if not isinstance(op_type, str):
        raise TypeError("op_type must be a string")
    _register(op_type, None)


NoGradient = NotDifferentiable  # its old name


def _register(name: str, rule: Rule | None) -> None:
    definition = OPS.get(name)
    if name in _REGISTERED:
        before = _REGISTERED[name][1]
    elif definition is not None and not isinstance(definition.gradient, registry.NoGradient):
        before = definition.module
    else:
        _REGISTERED[name] = rule, user_line()
        return
    raise KeyError(f"Registering two gradient with name '{name}'! (Previous registration was in {before})")


def rule_of(op: Operation) -> Rule | registry.NoGradient:
    """The rule for the gradient of an operation: it gives one gradient for each of its operands."""
    own = op.gradient
    if callable(own):
        return _for_operands(own)
    name = op.type if own is None else own
    if name in _REGISTERED:
        registered, _ = _REGISTERED[name]
        return not_differentiable if registered is None else _for_operands(registered)
    if own is None:
        return op.definition.gradient
    definition = OPS.get(name)
    return registry.NoGradient(f"there is no gradient {name!r}") if definition is None else definition.gradient


def is_registered(op: Operation) -> bool:
    """Whether a program gave the rule for the gradient of an operation."""
    return callable(op.gradient) or (op.gradient or op.type) in _REGISTERED


def _for_operands(rule: Rule) -> Rule:
    """A rule that gives the gradients of the inputs, as one that gives those of the operands."""

    def of_operands(op: Operation, *gradients: Any) -> Any:
        given = rule(op, *gradients)
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(given) != len(op.inputs):
            raise ValueError(f"Num gradients {len(given)} generated for op {op.node_def} do not match num inputs "
                             f"{len(op.inputs)}")  # fmt: skip
        return given[len(op.handles) :]

    return of_operands
