"""What a node of a GraphDef says of its operation: the reverse of `nodes.py` and of its table of attributes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dflow import attr_text
from dflow.dtypes import DType, int64
from dflow.node_attrs import OWN, RULES, STATE
from dflow.node_rules import FromAttr, FromSeeds
from dflow.registry import OpDef
from dflow.shapes import SCALAR, TensorShape
from dflow.specs import QueueSpec, ReaderSpec, TableSpec, VariableSpec
from dflow.tensor_proto import DATA_TYPES, make_ndarray

_DTYPES = {code: dtype for dtype, code in DATA_TYPES.items()}


def attrs_of(node: Any, definition: OpDef, name: str) -> dict[str, Any]:
    """The attributes of the operation that a node describes, without the state of its handles.

    name: the operation's.  ValueError for attributes that are missing.
    """
    kind = definition.kind
    if kind in STATE:
        return {STATE[kind]: _STATE_READ[STATE[kind]](node, name)}
    if kind in _READ:
        return _READ[kind](node)
    attrs: dict[str, Any] = attr_text.from_text(node.attr[OWN].s.decode()) if OWN in node.attr else {}
    rules = RULES.get(kind)
    if rules is None:
        own = {key: value_of(value) for key, value in node.attr.items() if not key.startswith("_")}
        return _accepted(own | attrs, definition)
    named = {*inspect.signature(definition.kernel).parameters, *inspect.signature(definition.spec).parameters}
    for key, rule in rules.items():
        if isinstance(rule, FromAttr) and rule.name not in attrs and not (rule.optional and rule.name not in named):
            attrs[rule.name] = rule.read(value_of(node.attr[key])) if key in node.attr else rule.default
    seeds = [node.attr[key].i for key, rule in rules.items() if isinstance(rule, FromSeeds)]
    if seeds:
        attrs["seeds"] = tuple(seeds)
    return _accepted(attrs, definition)


def _accepted(attrs: dict[str, Any], definition: OpDef) -> dict[str, Any]:
    """The attributes, without those that the kernel does not take, such as `use_locking` of some updates."""
    parameters = inspect.signature(definition.kernel).parameters
    if any(it.kind is it.VAR_KEYWORD for it in parameters.values()):
        return attrs
    return {name: value for name, value in attrs.items() if name in parameters}


def value_of(message: Any) -> Any:
    """The value of an AttrValue; text as `str` where it is UTF-8; lists as tuples."""
    field = message.WhichOneof("value")
    if field == "list":
        values = message.list
        used = [name for name in _CONVERT if len(getattr(values, name))]
        return tuple(_CONVERT[name](value) for name in used[:1] for value in getattr(values, name))
    return _CONVERT[field](getattr(message, field)) if field in _CONVERT else None


def _string(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _dtype(code: int) -> DType:
    dtype = _DTYPES.get(code % 100 if code > 100 else code)
    if dtype is None:
        raise ValueError(f"dflow does not have the dtype {code} of tensors")
    return dtype


def _shape(proto: Any) -> TensorShape:
    return TensorShape(None if proto.unknown_rank else [None if it.size < 0 else it.size for it in proto.dim])


_CONVERT: dict[str, Any] = {
    "s": _string,
    "i": int,
    "f": float,
    "b": bool,
    "type": _dtype,
    "shape": _shape,
    "tensor": make_ndarray,
}


# -- kinds that are read in another way


def _text(node: Any, name: str) -> str:
    return str(node.attr[name].s.decode()) if name in node.attr else ""


def _variable(node: Any, name: str) -> VariableSpec:
    return VariableSpec(
        name,
        _dtype(node.attr["dtype"].type),
        _shape(node.attr["shape"].shape),
        _text(node, "container"),
        trainable=node.attr["_trainable"].b if "_trainable" in node.attr else True,
        local=node.attr["_local"].b if "_local" in node.attr else False,
    )


def _queue(node: Any, name: str) -> QueueSpec:
    kind = node.op.removesuffix("V2")
    dtypes, shapes = value_of(node.attr["component_types"]), value_of(node.attr["shapes"])
    if kind == "PriorityQueue":
        dtypes, shapes = (int64, *dtypes), (TensorShape([]), *shapes) if shapes else shapes
    seeds = tuple(node.attr[key].i if key in node.attr else 0 for key in ("seed", "seed2"))
    return QueueSpec(
        kind=kind,
        node=name,
        capacity=node.attr["capacity"].i if "capacity" in node.attr else -1,
        dtypes=dtypes,
        shapes=shapes or None,
        container=_text(node, "container"),
        shared_name=_text(node, "shared_name"),
        min_after_dequeue=node.attr["min_after_dequeue"].i if "min_after_dequeue" in node.attr else 0,
        seed=(seeds[0], seeds[1]),
    )


def _reader(node: Any, name: str) -> ReaderSpec:
    options = {
        key: value_of(value)
        for key, value in node.attr.items()
        if key not in ("container", "shared_name") and not key.startswith("_")
    }
    return ReaderSpec(
        kind=node.op.removesuffix("V2"),
        node=name,
        options=tuple(sorted(options.items())),
        container=_text(node, "container"),
        shared_name=_text(node, "shared_name"),
    )


def _table(node: Any, name: str) -> TableSpec:
    if node.op == "MutableDenseHashTableV2":
        raise ValueError(f"Node '{node.name}': dflow does not read the empty key of a {node.op}; make a DenseHashTable")
    return TableSpec(
        kind=node.op,
        node=name,
        key_dtype=_dtype(node.attr["key_dtype"].type),
        value_dtype=_dtype(node.attr["value_dtype"].type),
        value_shape=_shape(node.attr["value_shape"].shape) if "value_shape" in node.attr else SCALAR,
        container=_text(node, "container"),
        shared_name=_text(node, "shared_name"),
        by_node=node.attr["use_node_name_sharing"].b if "use_node_name_sharing" in node.attr else False,
    )


_STATE_READ = {"variable": _variable, "queue": _queue, "reader": _reader, "table": _table}


def _constant(node: Any) -> dict[str, Any]:
    tensor = node.attr["value"].tensor
    array = make_ndarray(tensor)
    array.flags.writeable = False
    lists = [values for field, values in tensor.ListFields() if field.name.endswith("_val")]
    given = len(lists[0]) if lists and array.dtype.kind != "c" else None
    return {"value": array} if given is None or given >= array.size else {"value": array, "given": given}


_READ: Mapping[str, Callable[[Any], dict[str, Any]]] = {"Const": _constant}
