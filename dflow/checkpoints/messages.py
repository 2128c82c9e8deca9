"""The messages in the index of a checkpoint, and the state of a folder of checkpoints.

Source: tensor_bundle.proto, tensor_slice.proto, saved_tensor_slice.proto and checkpoint_state.proto of
TensorFlow 1.15.
"""

from __future__ import annotations

from dflow import graph_proto  # VersionDef, which a header has  # noqa: F401
from dflow.protos import messages

TensorSliceProto, _, BundleHeaderProto, BundleEntryProto = messages(
    "tensor_bundle.proto",
    {
        "TensorSliceProto": [("extent", 1, "repeated TensorSliceProto.Extent")],
        "TensorSliceProto.Extent": [("start", 1, "int64"), ("length", 2, "int64")],
        "BundleHeaderProto": [
            ("num_shards", 1, "int32"),
            ("endianness", 2, "BundleHeaderProto.Endianness"),
            ("version", 3, "VersionDef"),
        ],
        "BundleEntryProto": [
            ("dtype", 1, "DataType"),
            ("shape", 2, "TensorShapeProto"),
            ("shard_id", 3, "int32"),
            ("offset", 4, "int64"),
            ("size", 5, "int64"),
            ("crc32c", 6, "fixed32"),
            ("slices", 7, "repeated TensorSliceProto"),
        ],
    },
    __name__,
    one_of={"TensorSliceProto.Extent": ("has_length", ["length"])},
    enums={"BundleHeaderProto.Endianness": {"LITTLE": 0, "BIG": 1}},
    uses=["tensor.proto", "versions.proto"],
)

_, _, _, SavedTensorSlices = messages(
    "saved_tensor_slice.proto",
    {
        "SavedSliceMeta": [
            ("name", 1, "string"),
            ("shape", 2, "TensorShapeProto"),
            ("type", 3, "DataType"),
            ("slice", 4, "repeated TensorSliceProto"),
        ],
        "SavedTensorSliceMeta": [("tensor", 1, "repeated SavedSliceMeta"), ("versions", 2, "VersionDef")],
        "SavedSlice": [("name", 1, "string"), ("slice", 2, "TensorSliceProto"), ("data", 3, "TensorProto")],
        "SavedTensorSlices": [("meta", 1, "SavedTensorSliceMeta"), ("data", 2, "SavedSlice")],
    },
    __name__,
    uses=["tensor.proto", "versions.proto", "tensor_bundle.proto"],
)

(CheckpointState,) = messages(
    "checkpoint_state.proto",
    {
        "CheckpointState": [
            ("model_checkpoint_path", 1, "string"),
            ("all_model_checkpoint_paths", 2, "repeated string"),
            ("all_model_checkpoint_timestamps", 3, "repeated double"),
            ("last_preserved_timestamp", 4, "double"),
        ]
    },
    __name__,
)
