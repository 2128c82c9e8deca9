"""The NodeDef of an operation, with TensorFlow's names of its kind and of its attributes.

`node_attrs.py` has the table of attributes.
Source: node_def_util and Operation.node_def of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from dflow.dtypes import DType
from dflow.node_attrs import INPUT_ORDER, RULES, STATE
from dflow.node_proto import AttrValue, NodeDef, shape_proto
from dflow.node_rules import Node, NodeTensor
from dflow.shapes import TensorShape
from dflow.tensor_proto import DATA_TYPES, TensorProto, make_tensor_proto


def node_type(kind: str, attrs: Mapping[str, Any]) -> str:
    """TensorFlow's name of a kind of operation."""
    if kind == "Reader":
        return f"{attrs['reader'].kind}V2"
    return "PyFuncStateless" if kind == "PyFunc" and attrs["pure"] else kind


def node_def(op: Node) -> Any:
    """The NodeDef of an operation: a new message each time."""
    inputs = [_input_name(tensor) for tensor in _in_order(op)]
    node = NodeDef(name=op.name, op=op.type, device=op.device)
    node.input.extend([*inputs, *(f"^{control.name}" for control in op.control_inputs)])
    for name, value in node_attrs(op).items():
        message = attr_value(value)
        if message is not None:
            node.attr[name].CopyFrom(message)
    return node


def _input_name(tensor: NodeTensor) -> str:
    return tensor.name if tensor.value_index else tensor.op.name


def _in_order(op: Node) -> Iterable[NodeTensor]:
    """The inputs as TensorFlow orders them."""
    order = INPUT_ORDER.get(op.definition.kind, ())
    return (op.inputs[place] for place in order) if len(order) == len(op.inputs) else op.inputs


def node_attrs(op: Node) -> dict[str, Any]:
    """The attributes of an operation's node; for a kind that TensorFlow does not have, those of the operation."""
    rules = RULES.get(op.definition.kind)
    if op.definition.kind in STATE:
        attrs: dict[str, Any] = op.attrs[STATE[op.definition.kind]].node_attrs()
    elif rules is None:
        attrs = dict(op.attrs)
    else:
        attrs = {name: value for name, rule in rules.items() if (value := rule(op)) is not None}
    if op.gradient is not None:
        name = op.gradient if isinstance(op.gradient, str) else f"CustomGradient-{op.name}"
        attrs = attrs | {"_gradient_op_type": name.encode()}
    groups = [] if op.group is None else op.colocation_groups()
    return attrs | {"_class": groups} if groups else attrs


def attr_value(value: Any) -> Any:
    """A value as an AttrValue; None for one that no AttrValue can hold."""
    if isinstance(value, (list, tuple)):
        return _list_value(value)
    field = _field_of(value)
    if field is None:
        return None
    message = AttrValue()
    _put(message, field, value)
    return message


def _list_value(values: list[Any] | tuple[Any, ...]) -> Any:
    fields = {_field_of(value) for value in values}
    if len(fields) > 1 or None in fields:
        return None
    message = AttrValue(list=AttrValue.ListValue())
    for field in fields:
        assert field is not None
        getattr(message.list, field).extend(_CONVERT[field](value) for value in values)
    return message


def _put(message: Any, field: str, value: Any) -> None:
    converted = _CONVERT[field](value)
    if field in ("shape", "tensor"):
        getattr(message, field).CopyFrom(converted)
    else:
        setattr(message, field, converted)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "b": bool,
    "i": int,
    "f": float,
    "s": lambda value: value.encode() if isinstance(value, str) else value,
    "type": DATA_TYPES.__getitem__,
    "shape": shape_proto,
    "tensor": lambda value: value if isinstance(value, TensorProto) else make_tensor_proto(value),
}


def _field_of(value: Any) -> str | None:
    """The field of an AttrValue that holds a value."""
    for kinds, field in (
        ((bool, np.bool_), "b"),
        ((int, np.integer), "i"),
        ((float,), "f"),
        ((str, bytes), "s"),
        ((DType,), "type"),
        ((TensorShape,), "shape"),
        ((np.ndarray, np.generic, complex, TensorProto), "tensor"),
    ):
        if isinstance(value, kinds):
            return field
    return None
