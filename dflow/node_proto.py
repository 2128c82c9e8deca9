"""NodeDef and its parts: the messages that describe an operation, with TensorFlow's names and numbers.

Their bytes are those of TensorFlow's messages: `tf.NodeDef.FromString(op.node_def.SerializeToString())`.
Source: node_def.proto and attr_value.proto of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.protos import messages
from dflow.shapes import TensorShape
from dflow.tensor_proto import TensorShapeProto

_VALUES = [
    ("s", 2, "bytes"),
    ("i", 3, "int64"),
    ("f", 4, "float"),
    ("b", 5, "bool"),
    ("type", 6, "DataType"),
    ("shape", 7, "TensorShapeProto"),
    ("tensor", 8, "TensorProto"),
]
_ONE = [*_VALUES, ("list", 1, "AttrValue.ListValue"), ("func", 10, "NameAttrList"), ("placeholder", 9, "string")]
_SEVERAL = [*_VALUES, ("func", 9, "NameAttrList")]

NameAttrList, AttrValue, _, NodeDef = messages(
    "node_def.proto",
    {
        "NameAttrList": [("name", 1, "string"), ("attr", 2, "map AttrValue")],
        "AttrValue": _ONE,
        "AttrValue.ListValue": [(name, number, f"repeated {holds}") for name, number, holds in _SEVERAL],
        "NodeDef": [
            ("name", 1, "string"),
            ("op", 2, "string"),
            ("input", 3, "repeated string"),
            ("device", 4, "string"),
            ("attr", 5, "map AttrValue"),
        ],
    },
    __name__,
    one_of={"AttrValue": ("value", [name for name, _, _ in _ONE])},
    uses=["tensor.proto"],
)


def shape_proto(shape: TensorShape) -> Any:
    """A shape as a message: an unknown size is -1."""
    if shape.ndims is None:
        return TensorShapeProto(unknown_rank=True)
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=-1 if size is None else size) for size in shape.known])
