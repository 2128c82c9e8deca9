"""Checkpoints of version 1: one sorted table for each file, with the values in it.

Programs of TensorFlow's first years wrote them, and `Saver(write_version=SaverDef.V1)` still does.  A checkpoint is the
file of its prefix itself, or several, whose names the prefix matches: `model.ckpt-?????-of-00002`.
Source: tensor_slice_writer.cc and saved_tensor_slice.proto of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from dflow.checkpoints import files, table
from dflow.checkpoints.messages import BundleEntryProto, SavedTensorSlices
from dflow.checkpoints.slices import ALL, Part
from dflow.dtypes import as_dtype
from dflow.errors import DataLossError
from dflow.node_proto import shape_proto
from dflow.shapes import TensorShape
from dflow.tensor_proto import DATA_TYPES, make_ndarray, proto_of

Array = np.ndarray[Any, Any]

_VERSION = 1


def write(path: str, names: Sequence[str], parts: Sequence[str], arrays: Sequence[Array]) -> None:
    """Write a file with these tensors, at once; names and parts are those of `writer.write`."""
    head, entries, metas = SavedTensorSlices(), dict[bytes, Any](), dict[str, Any]()
    head.meta.versions.producer = _VERSION
    for name, text, array in zip(names, parts, arrays, strict=True):
        shape, part = Part.from_text(text) if text else (array.shape, Part((ALL,) * array.ndim))
        key, dtype = part.key(name), as_dtype(array.dtype)
        if key in entries:
            raise ValueError(f"Adding duplicate key: {name}")
        if name not in metas:
            metas[name] = head.meta.tensor.add(name=name, type=DATA_TYPES[dtype], shape=shape_proto(TensorShape(shape)))
        metas[name].slice.append(part.to_proto())
        entries[key] = SavedTensorSlices()
        entries[key].data.name = name
        entries[key].data.slice.CopyFrom(part.to_proto())
        entries[key].data.data.CopyFrom(proto_of(array, dtype, array.shape, as_bytes=False))
    items = [(b"", head), *sorted(entries.items())]
    files.replace(path, table.written((key, it.SerializeToString()) for key, it in items))


class Tables:
    """The tensors in the files of a checkpoint, with entries as the index of a newer checkpoint has them.

    DataLossError for a damaged file.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.entries: dict[bytes, Any] = {}  # key -> BundleEntryProto
        self._values: dict[bytes, bytes] = {}  # the key of a part -> the message with its values
        metas: dict[str, Any] = {}
        for path in paths:
            try:
                self._values |= dict(table.entries_of(files.read(path)))
                head = SavedTensorSlices.FromString(self._values.pop(b""))
            except (ValueError, KeyError, DecodeError) as error:
                raise DataLossError(None, None, f"Unable to open table file {path}: {error}") from None
            for meta in head.meta.tensor:
                if metas.setdefault(meta.name, meta) is not meta:
                    metas[meta.name].slice.extend(meta.slice)
        for meta in metas.values():
            self._add(meta)

    def _add(self, meta: Any) -> None:
        key, shape = meta.name.encode(), [dim.size for dim in meta.shape.dim]
        parts = [Part.from_proto(proto) for proto in meta.slice]
        whole = self.entries[key] = BundleEntryProto(dtype=meta.type, shape=meta.shape)
        for part in parts:
            sizes = [it.stop - it.start for it in part.ranges(shape)]
            if len(parts) == 1 and part.is_all(shape):
                self._values[key] = self._values[part.key(meta.name)]
            else:
                whole.slices.append(part.to_proto())
                self.entries[part.key(meta.name)] = BundleEntryProto(
                    dtype=meta.type, shape=shape_proto(TensorShape(sizes))
                )

    def value(self, key: bytes) -> Array:
        """The values of an entry that is not divided into parts."""
        tensor, entry = SavedTensorSlices.FromString(self._values[key]).data.data, self.entries[key]
        tensor.dtype = entry.dtype
        tensor.tensor_shape.CopyFrom(entry.shape)
        return make_ndarray(tensor)
