"""Parts of strings by their place and length.

Source: tf.strings.substr of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int32, int64, string
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.rules.batching import each as each_step
from dflow.ops.rules.static import graph_of, only, same_dtype
from dflow.ops.text.each import NO_GRADIENT, Array, allowed, array_of, check
from dflow.registry import define
from dflow.shapes import broadcast
from dflow.specs import TensorSpec

__all__ = ["substr"]


def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """The part of each string that begins at `pos`, of `len` bytes or up to its end.

    pos, len: int32 or int64, of one shape, which broadcasts with that of the strings.  A negative `pos` counts from the
    end.  unit: "BYTE", or "UTF8_CHAR" for characters of text in UTF-8.
    A run raises InvalidArgumentError for a place outside of its string.
    """
    chosen = allowed("unit", unit, ("BYTE", "UTF8_CHAR"))
    graph = graph_of((input, pos, len))
    with scopes.building_in(graph), graph.name_scope(name or "Substr") as scope:
        texts = convert_to_tensor(input, string, name="input")
        start = convert_to_tensor(pos, name="pos")
        length = convert_to_tensor(len, None if hasattr(len, "dtype") else start.dtype, name="len")
        tensor: Tensor = add_op("Substr", texts, start, length, name=scope, unit=chosen)
    return tensor


def _spec(texts: TensorSpec, pos: TensorSpec, length: TensorSpec, unit: str) -> TensorSpec:
    check(texts)
    only(pos, pos.dtype in (int32, int64), "places of int32 or int64")
    same_dtype(pos, length)
    pos.shape.merge_with(length.shape)
    return TensorSpec(broadcast(texts.shape, pos.shape), string)


def _kernel(texts: Array, pos: Array, length: Array, unit: str) -> Array:
    if pos.shape != length.shape:
        fact = f"pos and len should have the same shape, got: {list(pos.shape)} vs. {list(length.shape)}"
        raise InvalidArgumentError(None, None, fact)
    if pos.ndim == 0 and unit == "BYTE" and length >= 0:
        parts = _alike(texts.reshape(-1).tolist(), int(pos), int(length))
        if parts is not None:
            return array_of(parts, texts.shape)
    try:
        texts, pos, length = np.broadcast_arrays(texts, pos, length)
    except ValueError:
        fact = f"Incompatible shapes: {list(texts.shape)} vs. {list(pos.shape)}"
        raise InvalidArgumentError(None, None, fact) from None
    cut = _characters if unit == "UTF8_CHAR" else _cut
    rows = zip(texts.reshape(-1).tolist(), pos.reshape(-1).tolist(), length.reshape(-1).tolist(), strict=True)
    return array_of([cut(text, start, count, i) for i, (text, start, count) in enumerate(rows)], texts.shape)


def _alike(texts: list[bytes], start: int, count: int) -> list[bytes] | None:
    """The same part of each string; None if one of them is too short, which the caller says."""
    if min(map(len, texts), default=start) < (start if start >= 0 else -start):
        return None
    part = slice(start, None if start < 0 and start + count >= 0 else start + count)
    return [text[part] for text in texts]


def _cut(text: Any, start: int, count: int, index: int) -> Any:
    size = len(text)
    if not -size <= start <= size:
        shown = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        fact = f"pos {start} out of range for string {shown!r} at index {index}"
        raise InvalidArgumentError(None, None, fact)
    if start < 0:
        start += size
    return text[start : start + count] if count >= 0 else text[start:]


def _characters(text: bytes, start: int, count: int, index: int) -> bytes:
    part: str = _cut(text.decode("utf-8", "surrogateescape"), start, count, index)
    return part.encode("utf-8", "surrogateescape")


define("Substr", spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, batch=each_step, host_only=True)
