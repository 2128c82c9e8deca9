"""Attributes of operations as text, from which they come back: numbers, text, dtypes, shapes, slices, arrays.

A graph that is written has it for those attributes that TensorFlow's node of the operation does not have.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype
from dflow.shapes import TensorShape
from dflow.tensor_proto import TensorProto, make_ndarray, proto_of

_PACKAGE = __name__.partition(".")[0]


def to_text(attrs: dict[str, Any]) -> str:
    """The attributes as JSON; TypeError for one that has no such form, such as a function."""
    return json.dumps({name: _written(value) for name, value in attrs.items()}, sort_keys=True, separators=(",", ":"))


def from_text(text: str) -> dict[str, Any]:
    """The attributes; ValueError for text of another form."""
    try:
        return {name: _read(value) for name, value in json.loads(text).items()}
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"attributes that cannot be read: {error}") from None


def _written(value: Any) -> Any:
    """A value as JSON; one of a kind that JSON does not have as {"kind": its parts}."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    for kind, parts_of in _KINDS:
        if isinstance(value, kind):
            return {_name(kind): parts_of(value)}
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith(f"{_PACKAGE}."):
        fields = {it.name: _written(getattr(value, it.name)) for it in dataclasses.fields(value) if it.init}
        return {"object": [f"{type(value).__module__}:{type(value).__qualname__}", fields]}
    raise TypeError(f"{type(value).__name__} {value!r} cannot be written as text")


def _name(kind: type) -> str:
    return kind.__name__


def _list(values: Any) -> list[Any]:
    return [_written(value) for value in values]


def _array(value: Any) -> str:
    array = np.asarray(value)
    dtype = as_dtype(array.dtype)
    return base64.b64encode(proto_of(array, dtype, array.shape, as_bytes=False).SerializeToString()).decode()


_KINDS: list[tuple[type, Callable[[Any], Any]]] = [
    (list, _list),
    (tuple, _list),
    (dict, lambda value: [_list(pair) for pair in value.items()]),
    (bytes, lambda value: value.decode("latin-1")),
    (complex, lambda value: [value.real, value.imag]),
    (slice, lambda value: _list((value.start, value.stop, value.step))),
    (type(Ellipsis), lambda value: []),
    (DType, lambda value: value.name),
    (TensorShape, lambda value: None if value.ndims is None else list(value.known)),
    (np.ndarray, _array),
    (np.generic, _array),
]


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, parts),) = value.items()
    return _READ[kind](parts)


def _read_list(parts: Any) -> list[Any]:
    return [_read(part) for part in parts]


def _read_array(text: str) -> np.ndarray[Any, Any]:
    array = make_ndarray(TensorProto.FromString(base64.b64decode(text)))
    array.flags.writeable = False
    return array


def _read_object(parts: Any) -> Any:
    (module, _, name), fields = parts[0].partition(":"), parts[1]
    found = getattr(import_module(module), name) if module.startswith(f"{_PACKAGE}.") else None
    if not dataclasses.is_dataclass(found) or not isinstance(found, type):
        raise TypeError(f"{parts[0]} is none of the objects that an operation may have")
    return found(**{field: _read(it) for field, it in fields.items()})


_READ: dict[str, Callable[[Any], Any]] = {
    "list": _read_list,
    "tuple": lambda parts: tuple(_read_list(parts)),
    "dict": lambda parts: dict(_read_list(pair) for pair in parts),
    "bytes": lambda parts: parts.encode("latin-1"),
    "complex": lambda parts: complex(*parts),
    "slice": lambda parts: slice(*_read_list(parts)),
    "ellipsis": lambda parts: Ellipsis,
    "DType": as_dtype,
    "TensorShape": TensorShape,
    "ndarray": _read_array,
    "generic": lambda text: _read_array(text)[()],
    "object": _read_object,
}
