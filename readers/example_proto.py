"""Example and SequenceExample: messages that hold the features of a record by name, as TensorFlow programs store them.

    Example(features=Features(feature={"label": Feature(int64_list=Int64List(value=[3]))})).SerializeToString()

The bytes are those of TensorFlow's messages.  Why the schema is built here, in a pool of its own: no compiler of
schemas is needed, and a process may load TensorFlow as well.
Source: the messages of TensorFlow's example.proto and feature.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto

_SCHEMA: dict[str, list[tuple[str, int, str]]] = {  # message -> (field, number, what it holds)
    "BytesList": [("value", 1, "repeated bytes")],
    "FloatList": [("value", 1, "repeated float")],
    "Int64List": [("value", 1, "repeated int64")],
    "Feature": [("bytes_list", 1, "BytesList"), ("float_list", 2, "FloatList"), ("int64_list", 3, "Int64List")],
    "Features": [("feature", 1, "map Feature")],
    "FeatureList": [("feature", 1, "repeated Feature")],
    "FeatureLists": [("feature_list", 1, "map FeatureList")],
    "Example": [("features", 1, "Features")],
    "SequenceExample": [("context", 1, "Features"), ("feature_lists", 2, "FeatureLists")],
}
_ONE_OF = {"Feature": "kind"}  # message -> the name of the choice between its fields
_PACKAGE = "dflow"


def _schema() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="dflow/example.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        if name in _ONE_OF:
            message.oneof_decl.add(name=_ONE_OF[name])
        for field, number, holds in fields:
            many, _, kind = holds.rpartition(" ")
            if many == "map":
                kind = _add_entry(message, name, field, kind)
            added = _add_field(message, field, number, kind, repeated=bool(many))
            if name in _ONE_OF:
                added.oneof_index = 0
    return file


def _add_entry(message: Any, name: str, field: str, kind: str) -> str:
    """The message of a map's entries: what the map is a repeated field of."""
    entry = "".join(word.capitalize() for word in field.split("_")) + "Entry"
    added = message.nested_type.add(name=entry)
    added.options.map_entry = True
    _add_field(added, "key", 1, "string")
    _add_field(added, "value", 2, kind)
    return f"{name}.{entry}"


def _add_field(message: Any, name: str, number: int, kind: str, repeated: bool = False) -> Any:
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    scalar = getattr(_Field, f"TYPE_{kind.upper()}", None)
    if scalar is None:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = scalar
    return field


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(_schema().SerializeToString())


def _message(name: str) -> Any:
    cls = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
    cls.__module__ = __name__  # so that its messages can be pickled
    return cls


BytesList = _message("BytesList")
FloatList = _message("FloatList")
Int64List = _message("Int64List")
Feature = _message("Feature")
Features = _message("Features")
FeatureList = _message("FeatureList")
FeatureLists = _message("FeatureLists")
Example = _message("Example")
SequenceExample = _message("SequenceExample")
