"""What is wrong with the inputs of an operation, in the words of TensorFlow's operations.

The shapes of Python and the operations say the same in other words: `Shape (2, 2) must have rank 1` is there
`Shape must be rank 1 but is rank 2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dflow.errors import DTypeError, ShapeError
from dflow.node_attrs import INPUT_ORDER, RULES
from dflow.node_rules import FromAttr, NodeTensor
from dflow.signatures import dtype_fault

__all__ = ["fact_of"]


def fact_of(error: Exception, kind: str, inputs: Sequence[NodeTensor], attrs: Mapping[str, Any]) -> str:
    """The text of an error of a shape rule."""
    if isinstance(error, ShapeError) and error.of_op:
        return error.of_op
    fact = None
    if isinstance(error, DTypeError):
        order = INPUT_ORDER.get(kind, ())
        in_order = [inputs[place] for place in order] if len(order) == len(inputs) else inputs
        fact = dtype_fault(kind, [it.dtype.name for it in in_order], _absent(kind, attrs))
    return str(error) if fact is None else fact


def _absent(kind: str, attrs: Mapping[str, Any]) -> int:
    """How many inputs of TensorFlow's operation are attributes here."""
    rules = RULES.get(kind, {}).items()
    late = (rule.name for key, rule in rules if key.startswith("_") and isinstance(rule, FromAttr))
    return sum(attrs.get(name) is not None for name in late)
