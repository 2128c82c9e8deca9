"""Static shapes and their sizes, as programs compute with them; dtypes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.oracle.tools import kind_of_error


def _plain(value: Any) -> Any:
    """A Dimension as its value, in text."""
    return f"Dimension({value.value})" if hasattr(value, "value") else value


def sizes(tf: Any, folder: Path) -> dict[str, Any]:
    x = tf.placeholder(tf.float32, [None, 3, 4])
    batch, height, width = x.get_shape()
    found = {
        "values": [x.shape[0].value, x.shape[1].value, x.get_shape().dims[2].value, int(x.shape[-1])],
        "known": [_plain(it) for it in (height + 1, 2 * width, height * width, width // 2, 7 - height, width % 3)],
        "unknown": [_plain(it) for it in (batch + 1, 2 * batch, batch * width, batch // 2, 1 - batch, batch % 3)],
        "compared": [height == 3, height != 3, height < width, width >= 4, batch == 3, batch < width, batch != 3],
        "text": [str(batch), str(height), repr(batch), repr(height)],
        "lists": [[0] * height, list(range(width))],
        "merged": [_plain(batch.merge_with(height)), batch.is_compatible_with(7), height.is_compatible_with(4)],
        "wrong": [
            kind_of_error(lambda: height.merge_with(5)),
            kind_of_error(lambda: int(batch)),
            kind_of_error(lambda: tf.Dimension(-1)),
            kind_of_error(lambda: height / 2, "please use // instead"),
        ],
    }
    with tf.Session() as sess:
        found["as a shape"] = sess.run(tf.shape(tf.reshape(x, [-1, height * width])), {x: [[[0.0] * 4] * 3] * 2})
    return found


def shapes(tf: Any, folder: Path) -> dict[str, Any]:
    partly, unknown = tf.TensorShape([None, 3]), tf.TensorShape(None)
    return {
        "text": [str(partly), str(unknown), str(tf.TensorShape([2])), str(tf.TensorShape([]))],
        "parts": [_plain(partly[1]), _plain(unknown[0]), str(partly[1:]), str(unknown[1:3]), str(unknown[1:])],
        "merged": [str(partly.merge_with([2, None])), str(unknown.merge_with(partly)), str(partly.with_rank(2))],
        "joined": [str(partly.concatenate([4])), str(partly.concatenate(unknown)), str(partly.concatenate(5))],
        "ranks": [partly.ndims, partly.rank, unknown.rank, len(partly), bool(partly), bool(unknown)],
        "counts": [partly.num_elements(), tf.TensorShape([2, 3]).num_elements(), unknown.num_elements()],
        "at least": [str(partly.with_rank_at_least(1)), str(partly.with_rank_at_most(2))],
        "alike": [partly.is_compatible_with([5, 3]), partly.is_compatible_with([5, 4]), unknown.is_compatible_with(1)],
        "proto": [
            [dim.size for dim in partly.as_proto().dim],
            unknown.as_proto().unknown_rank,
            str(tf.TensorShape(partly.as_proto())),
        ],
        "wrong": [
            kind_of_error(lambda: partly.merge_with([2, 4])),
            kind_of_error(lambda: partly.with_rank(3), "must have rank 3"),
            kind_of_error(lambda: partly.assert_is_fully_defined(), "is not fully defined"),
            kind_of_error(lambda: partly.assert_same_rank([1])),
            kind_of_error(lambda: partly.assert_has_rank(1)),
            kind_of_error(lambda: partly.assert_is_compatible_with([2, 4]), "are incompatible"),
            kind_of_error(lambda: unknown.as_list(), "as_list() is not defined on an unknown TensorShape"),
            kind_of_error(lambda: len(unknown)),
            kind_of_error(lambda: tf.TensorShape("12")),
        ],
        "equal": [tf.TensorShape([2, 3]) == [2, 3], tf.TensorShape([2, 3]) != (2, 4), unknown == tf.TensorShape(None)],
    }


def dtypes(tf: Any, folder: Path) -> dict[str, Any]:
    names = (
        "float16 float32 float64 bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool"
    )
    names += " string qint8 quint8 qint16 quint16 qint32 resource"
    kinds = ["is_bool", "is_integer", "is_floating", "is_complex", "is_quantized", "is_unsigned", "is_numpy_compatible"]
    found: dict[str, Any] = {}
    for name in names.split():
        dtype = getattr(tf, name)
        found[name] = {kind: getattr(dtype, kind) for kind in kinds} | {
            "number": dtype.as_datatype_enum,
            "size": dtype.size if name not in ("string", "resource") else None,  # 0 in newer versions
            "base": dtype.base_dtype.name,
            "real": dtype.real_dtype.name,
            "reference": tf.as_dtype(f"{name}_ref").name,
            "base of it": tf.as_dtype(f"{name}_ref").base_dtype.name,
            "compatible": [tf.float32.is_compatible_with(dtype), dtype.is_compatible_with(f"{name}_ref")],
            "from its number": tf.as_dtype(dtype.as_datatype_enum).name,
            "limits": kind_of_error(lambda dtype=dtype: dtype.min),
        }
    return found
