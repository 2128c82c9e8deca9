"""The operations by their kinds, as TensorFlow 1 names them in `tf.raw_ops`: `df.raw_ops.MaxPoolGrad(...)`.

A function for each kind of operation that dflow and TensorFlow both have: it takes the inputs and the attributes of
TensorFlow's operation, all by name, with TensorFlow's names, and adds that operation.  `signature_of` in
`signatures.py` says what a kind takes.  It gives a tensor; of a kind with several outputs, a tuple with their names;
of one without outputs, the operation.
With the name in small letters, `df.raw_ops.max_pool_grad(...)`, a function takes its arguments by position, too, as
those of TensorFlow's modules `gen_nn_ops` and so on.
Source: tf.raw_ops of TensorFlow 1.15.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter
from inspect import Signature as Parameters
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.graph import Operation, Tensor, convert_to_tensor
from dflow.graph_import import operation_of
from dflow.node_proto import NodeDef
from dflow.nodes import attr_value
from dflow.ops.rules.static import graph_of, is_symbolic
from dflow.raw_formulas import FORMULAS
from dflow.shapes import TensorShape
from dflow.signatures import REQUIRED, Input, Signature, kinds, signature_of

__all__: list[str] = []  # the names are those of kinds of operations


def __getattr__(name: str) -> Callable[..., Any]:
    if signature_of(name) is not None:
        return _by_name(name)
    if name in _small():
        return _positional(_small()[name])
    raise AttributeError(f"module 'dflow.raw_ops' has no attribute {name!r}: dflow has no operation of this kind")


def __dir__() -> list[str]:
    return [*kinds()]


@cache
def _small() -> dict[str, str]:
    """The name of each kind in small letters -> the kind."""
    return {re.sub(r"(?<=[a-z])(?=[A-Z])|(?<!^)(?=[A-Z][a-z])", "_", kind).lower(): kind for kind in kinds()}


@cache
def _by_name(kind: str) -> Callable[..., Any]:
    """The function of a kind that takes its arguments by name only."""
    call = _positional(kind)

    def by_name(**arguments: Any) -> Any:
        return call(**arguments)

    return _described(by_name, kind, _parameters(kind, Parameter.KEYWORD_ONLY))


@cache
def _positional(kind: str) -> Callable[..., Any]:
    """The function of a kind, which takes its inputs and then its attributes, by position or by name."""
    parameters = _parameters(kind, Parameter.POSITIONAL_OR_KEYWORD)

    def function(*values: Any, **named: Any) -> Any:
        try:
            bound = parameters.bind(*values, **named)
        except TypeError as error:
            raise TypeError(f"{kind}() {error}") from None
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        return _call(kind, arguments, arguments.pop("name"))

    return _described(function, kind, parameters)


def _parameters(kind: str, how: Any) -> Parameters:
    signature = _signature(kind)
    parameters = [Parameter(it.name, how) for it in signature.inputs]
    for name, default in signature.attrs.items():
        parameters.append(Parameter(name, how, default=Parameter.empty if default is REQUIRED else default))
    return Parameters([*parameters, Parameter("name", how, default=None)])


def _signature(kind: str) -> Signature:
    signature = signature_of(kind)
    if signature is None:
        raise LookupError(f"dflow has no operation of the kind {kind!r}")
    return signature


def _described(function: Callable[..., Any], kind: str, parameters: Parameters) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = kind
    function.__doc__ = f"Add an operation of the kind {kind}, with the inputs and the attributes of TensorFlow's."
    function.__signature__ = parameters  # type: ignore[attr-defined]
    return function


# -- a call


def _call(kind: str, arguments: dict[str, Any], name: str | None) -> Any:
    signature = _signature(kind)
    values = [arguments[it.name] for it in signature.inputs]
    graph = graph_of(values)
    with graph.as_default(), graph.name_scope(name or kind) as scope:
        tensors = _tensors(signature, values)
        attrs = {key: _attr(key, arguments[key], default) for key, default in signature.attrs.items()}
        if kind in FORMULAS:
            return _result(signature, FORMULAS[kind](*tensors, **attrs))
        grouped = [tensor for group in tensors for tensor in (group if isinstance(group, list) else [group])]
        return _outputs(signature, operation_of(_node(kind, scope, attrs), grouped))


def _node(kind: str, name: str, attrs: dict[str, Any]) -> Any:
    node = NodeDef(name=name, op=kind)
    for key, value in attrs.items():
        message = attr_value(value)
        if message is not None:
            node.attr[key].CopyFrom(message)
    return node


def _attr(name: str, value: Any, default: Any) -> Any:
    """The value of an attribute as the node has it."""
    if value is None:
        return TensorShape(None) if "shape" in name and not name.endswith("s") else None
    if isinstance(value, (DType, np.dtype, type)) or (isinstance(default, str) and _is_dtype(default)):
        return as_dtype(value)
    if "shapes" in name:
        return [TensorShape(item) for item in value]
    if name.endswith("shape"):
        return TensorShape(value)
    if isinstance(value, (list, tuple)):
        return [_attr(name, item, None) for item in value]
    return value


def _is_dtype(text: str) -> bool:
    return re.fullmatch(r"(bool|string|complex\d+|q?u?int\d+|b?float\d+)", text) is not None


def _tensors(signature: Signature, values: Sequence[Any]) -> list[Any]:
    """The inputs as tensors, lists of these for lists; inputs of one dtype take that of the first tensor of them."""
    dtypes: dict[str, DType] = {}
    for it, value in zip(signature.inputs, values, strict=True):
        if it.is_fixed:
            continue
        for item in value if it.many else [value]:
            if is_symbolic(item):
                dtypes.setdefault(it.dtype, convert_to_tensor(item).dtype)
    found: list[Any] = []
    for it, value in zip(signature.inputs, values, strict=True):
        if it.many and not isinstance(value, (list, tuple)):
            raise TypeError(f"Expected list for '{it.name}' argument to '{signature.kind}' Op, not {value!r}.")
        allowed = signature.allowed.get(it.dtype, ())
        items = [_tensor(it, item, dtypes, allowed) for item in (value if it.many else [value])]
        found.append(items if it.many else items[0])
    return found


def _tensor(it: Input, value: Any, dtypes: dict[str, DType], allowed: Sequence[str]) -> Tensor:
    if it.dtype == "resource" or (hasattr(value, "_as_tensor") and it.name in ("ref", "var")):
        return value.op.outputs[0]  # type: ignore[no-any-return]
    if it.is_fixed:
        dtype = None if it.dtype == "list" else as_dtype(it.dtype)
        return convert_to_tensor(value, None if is_symbolic(value) else dtype, name=it.name)
    dtype = None if is_symbolic(value) else dtypes.get(it.dtype)
    if (
        not is_symbolic(value)
        and dtype is None
        and "int32" in allowed
        and "float32" not in allowed
        and np.size(value) == 0
    ):
        dtype = as_dtype("int32")
    tensor = convert_to_tensor(value, dtype, name=it.name)
    dtypes.setdefault(it.dtype, tensor.dtype)
    return tensor


# -- the result


def _outputs(signature: Signature, op: Operation) -> Any:
    outputs = list(op.outputs)
    if not outputs:
        return op
    if not signature.outputs:
        return outputs[0]
    lists = [name.startswith("*") for name in signature.outputs]
    if len(lists) == 1:
        return outputs
    length = len(outputs) // sum(lists) if any(lists) and all(lists) else 1
    parts, place = [], 0
    for is_list in lists:
        length_of_it = max(length, len(outputs) - len(lists) + 1) if is_list and not all(lists) else length
        part = outputs[place : place + (length_of_it if is_list else 1)]
        parts.append(part if is_list else part[0])
        place += len(part)
    return _result(signature, parts)


def _result(signature: Signature, value: Any) -> Any:
    """Several outputs as a tuple with their names."""
    if len(signature.outputs) < 2:
        return value
    return namedtuple(signature.kind, [name.removeprefix("*") for name in signature.outputs])(*value)
