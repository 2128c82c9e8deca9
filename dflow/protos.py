"""Protocol-buffer messages that are the same on the wire as TensorFlow's, from a table of their fields.

    Pair, = messages("pair.proto", {"Pair": [("key", 1, "string"), ("values", 2, "repeated Value")]}, __name__)

Why the schemas are built here, in a pool of their own: no compiler of schemas is needed, and a process may load
TensorFlow as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "dflow"
_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
_enums: set[str] = set()

Fields = Sequence[tuple[str, int, str]]  # name, number, type
ANY = "google.protobuf.Any"  # the type of a field that holds a message of any kind
ANY_FILE = any_pb2.DESCRIPTOR.name  # the file with it, for `uses`


def messages(
    file: str,
    schema: Mapping[str, Fields],
    module: str,
    *,
    one_of: Mapping[str, tuple[str, Sequence[str]]] | None = None,
    enums: Mapping[str, Mapping[str, int]] | None = None,
    uses: Sequence[str] = (),
) -> list[Any]:
    """The message classes of a schema, in its order.

    schema: message -> its fields.  A field holds a scalar ("int64", "bytes", ...), an enum or a message; "repeated X"
    is a list, "map X" a dict with string keys, "map int32 X" one with integers.  A message "Outer.Inner" is nested in
    Outer, which comes first.
    module: where the classes can be imported from by their names, so that messages can be pickled.
    one_of: message -> the name of the choice that it has, and the fields of which only one is set.
    enums: enum -> its names and numbers; "Outer.Kind" is nested in the message Outer.
    uses: the files with the messages and enums of others that the fields name.
    """
    proto = descriptor_pb2.FileDescriptorProto(name=file, package=_PACKAGE, syntax="proto3", dependency=uses)
    _enums.update(enums or {})
    made: dict[str, Any] = {"": proto}
    for full in schema:
        outer, _, name = full.rpartition(".")
        made[full] = (made[outer].nested_type if outer else proto.message_type).add(name=name)
    for full, numbers in (enums or {}).items():
        outer, _, name = full.rpartition(".")
        added = made[outer].enum_type.add(name=name)
        added.options.allow_alias = len(set(numbers.values())) < len(numbers)
        for label, number in numbers.items():
            added.value.add(name=label, number=number)
    for full, fields in schema.items():
        _add_fields(made[full], full, fields, *(one_of or {}).get(full, ("", ())))
    _pool.AddSerializedFile(proto.SerializeToString())
    return [_class(full, module) for full in schema]


def _add_fields(message: Any, full: str, fields: Fields, choice: str, chosen: Sequence[str]) -> None:
    if choice:
        message.oneof_decl.add(name=choice)
    for name, number, holds in fields:
        many, _, kind = holds.rpartition(" ")
        if many.startswith("map"):
            kind = _add_entry(message, full, name, many.removeprefix("map").strip() or "string", kind)
        field = _add_field(message, name, number, kind, repeated=bool(many))
        if name in chosen:
            field.oneof_index = 0


def _add_entry(message: Any, full: str, field: str, key: str, kind: str) -> str:
    """Add the message type of a map's entries: a map is a repeated field of such messages."""
    entry = "".join(word.capitalize() for word in field.split("_")) + "Entry"
    added = message.nested_type.add(name=entry)
    added.options.map_entry = True
    _add_field(added, "key", 1, key)
    _add_field(added, "value", 2, kind)
    return f"{full}.{entry}"


def _add_field(message: Any, name: str, number: int, kind: str, repeated: bool = False) -> Any:
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    scalar = getattr(_Field, f"TYPE_{kind.upper()}", None)
    if scalar is not None:
        field.type = scalar
        return field
    field.type = _Field.TYPE_ENUM if kind in _enums else _Field.TYPE_MESSAGE
    field.type_name = f".{kind}" if kind == ANY else f".{_PACKAGE}.{kind}"
    return field


def _class(full: str, module: str) -> Any:
    cls = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{full}"))
    cls.__module__ = module
    return cls
