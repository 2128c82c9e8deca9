"""GraphDef, MetaGraphDef and their parts: the messages of a graph and of what belongs to it.

Their bytes are those of TensorFlow's messages.
Source: graph.proto, op_def.proto, function.proto, versions.proto, saver.proto, meta_graph.proto and saved_model.proto
of TensorFlow 1.15.
"""

from __future__ import annotations

from dflow.node_proto import NodeDef
from dflow.protos import ANY, ANY_FILE, messages

__all__ = ["GRAPH_DEF_VERSION", "GRAPH_DEF_VERSION_MIN_CONSUMER", "GRAPH_DEF_VERSION_MIN_PRODUCER", "NodeDef"]

GRAPH_DEF_VERSION = 134  # of TensorFlow 1.15: what a graph of ours is written for, and the newest that is read
GRAPH_DEF_VERSION_MIN_CONSUMER = 0
GRAPH_DEF_VERSION_MIN_PRODUCER = 0

(VersionDef,) = messages(
    "versions.proto",
    {"VersionDef": [("producer", 1, "int32"), ("min_consumer", 2, "int32"), ("bad_consumers", 3, "repeated int32")]},
    __name__,
)

OpDeprecation, OpDef, _, _, OpList = messages(
    "op_def.proto",
    {
        "OpDeprecation": [("version", 1, "int32"), ("explanation", 2, "string")],
        "OpDef": [
            ("name", 1, "string"),
            ("input_arg", 2, "repeated OpDef.ArgDef"),
            ("output_arg", 3, "repeated OpDef.ArgDef"),
            ("control_output", 20, "repeated string"),
            ("attr", 4, "repeated OpDef.AttrDef"),
            ("deprecation", 8, "OpDeprecation"),
            ("summary", 5, "string"),
            ("description", 6, "string"),
            ("is_commutative", 18, "bool"),
            ("is_aggregate", 16, "bool"),
            ("is_stateful", 17, "bool"),
            ("allows_uninitialized_input", 19, "bool"),
        ],
        "OpDef.ArgDef": [
            ("name", 1, "string"),
            ("description", 2, "string"),
            ("type", 3, "DataType"),
            ("type_attr", 4, "string"),
            ("number_attr", 5, "string"),
            ("type_list_attr", 6, "string"),
            ("is_ref", 16, "bool"),
        ],
        "OpDef.AttrDef": [
            ("name", 1, "string"),
            ("type", 2, "string"),
            ("default_value", 3, "AttrValue"),
            ("description", 4, "string"),
            ("has_minimum", 5, "bool"),
            ("minimum", 6, "int64"),
            ("allowed_values", 7, "AttrValue"),
        ],
        "OpList": [("op", 1, "repeated OpDef")],
    },
    __name__,
    uses=["node_def.proto", "tensor.proto"],
)

FunctionDefLibrary, FunctionDef, GradientDef, GraphDef = messages(
    "graph.proto",
    {
        "FunctionDefLibrary": [("function", 1, "repeated FunctionDef"), ("gradient", 2, "repeated GradientDef")],
        "FunctionDef": [
            ("signature", 1, "OpDef"),
            ("attr", 5, "map AttrValue"),
            ("node_def", 3, "repeated NodeDef"),
            ("ret", 4, "map string"),
            ("control_ret", 6, "map string"),
        ],
        "GradientDef": [("function_name", 1, "string"), ("gradient_func", 2, "string")],
        "GraphDef": [
            ("node", 1, "repeated NodeDef"),
            ("versions", 4, "VersionDef"),
            ("version", 3, "int32"),
            ("library", 2, "FunctionDefLibrary"),
        ],
    },
    __name__,
    uses=["node_def.proto", "op_def.proto", "versions.proto"],
)

(SaverDef,) = messages(
    "saver.proto",
    {
        "SaverDef": [
            ("filename_tensor_name", 1, "string"),
            ("save_tensor_name", 2, "string"),
            ("restore_op_name", 3, "string"),
            ("max_to_keep", 4, "int32"),
            ("sharded", 5, "bool"),
            ("keep_checkpoint_every_n_hours", 6, "float"),
            ("version", 7, "SaverDef.CheckpointFormatVersion"),
        ]
    },
    __name__,
    enums={"SaverDef.CheckpointFormatVersion": {"LEGACY": 0, "V1": 1, "V2": 2}},
)

_KINDS = [
    ("node_list", 1, "CollectionDef.NodeList"),
    ("bytes_list", 2, "CollectionDef.BytesList"),
    ("int64_list", 3, "CollectionDef.Int64List"),
    ("float_list", 4, "CollectionDef.FloatList"),
    ("any_list", 5, "CollectionDef.AnyList"),
]
_ENCODINGS = [("name", 1, "string"), ("coo_sparse", 4, "TensorInfo.CooSparse")]

(
    CollectionDef,
    *_,
    TensorInfo,
    _,
    SignatureDef,
    AssetFileDef,
    MetaGraphDef,
    _,
    SavedModel,
) = messages(
    "meta_graph.proto",
    {
        "CollectionDef": _KINDS,
        "CollectionDef.NodeList": [("value", 1, "repeated string")],
        "CollectionDef.BytesList": [("value", 1, "repeated bytes")],
        "CollectionDef.Int64List": [("value", 1, "repeated int64")],
        "CollectionDef.FloatList": [("value", 1, "repeated float")],
        "CollectionDef.AnyList": [("value", 1, f"repeated {ANY}")],
        "TensorInfo": [*_ENCODINGS, ("dtype", 2, "DataType"), ("tensor_shape", 3, "TensorShapeProto")],
        "TensorInfo.CooSparse": [
            ("values_tensor_name", 1, "string"),
            ("indices_tensor_name", 2, "string"),
            ("dense_shape_tensor_name", 3, "string"),
        ],
        "SignatureDef": [
            ("inputs", 1, "map TensorInfo"),
            ("outputs", 2, "map TensorInfo"),
            ("method_name", 3, "string"),
        ],
        "AssetFileDef": [("tensor_info", 1, "TensorInfo"), ("filename", 2, "string")],
        "MetaGraphDef": [
            ("meta_info_def", 1, "MetaGraphDef.MetaInfoDef"),
            ("graph_def", 2, "GraphDef"),
            ("saver_def", 3, "SaverDef"),
            ("collection_def", 4, "map CollectionDef"),
            ("signature_def", 5, "map SignatureDef"),
            ("asset_file_def", 6, "repeated AssetFileDef"),
        ],
        "MetaGraphDef.MetaInfoDef": [
            ("meta_graph_version", 1, "string"),
            ("stripped_op_list", 2, "OpList"),
            ("any_info", 3, ANY),
            ("tags", 4, "repeated string"),
            ("tensorflow_version", 5, "string"),
            ("tensorflow_git_version", 6, "string"),
            ("stripped_default_attrs", 7, "bool"),
        ],
        "SavedModel": [("saved_model_schema_version", 1, "int64"), ("meta_graphs", 2, "repeated MetaGraphDef")],
    },
    __name__,
    one_of={
        "CollectionDef": ("kind", [name for name, _, _ in _KINDS]),
        "TensorInfo": ("encoding", [name for name, _, _ in _ENCODINGS]),
    },
    uses=["tensor.proto", "graph.proto", "saver.proto", "op_def.proto", ANY_FILE],
)
