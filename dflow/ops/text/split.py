"""Strings taken apart at separators, into a SparseTensor: a row for each string, as long as the longest.

Source: tf.string_split, tf.strings.split, tf.strings.bytes_split of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from dflow.dtypes import int64, string
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor, scopes
from dflow.ops.array.concat import concat
from dflow.ops.array.shape import reshape, shape
from dflow.ops.math.division import floordiv, floormod
from dflow.ops.rules.batching import each as each_step
from dflow.ops.rules.static import graph_of
from dflow.ops.text.each import NO_GRADIENT, Array, array_of, check, strings
from dflow.registry import define
from dflow.shapes import TensorShape
from dflow.sparse_tensor import SparseTensor
from dflow.specs import TensorSpec

__all__ = ["string_bytes_split", "string_split", "string_split_v2", "strings_split_v1"]


def string_split(
    source: Any = None,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> SparseTensor:
    """The parts of each string between delimiters: a SparseTensor [n, most parts].

    source: strings [n].  sep: a string of which each byte is a delimiter; "": each byte is a part.  delimiter: its
    older name.  None: a space.  skip_empty: leave out empty parts.
    result_type: "SparseTensor"; dflow has no ragged tensors.
    """
    _only_sparse(result_type)
    chosen = _either("sep", sep, "delimiter", delimiter)
    graph = graph_of((source, chosen))
    with scopes.building_in(graph), graph.name_scope(name or "StringSplit"):
        texts = convert_to_tensor(source, string)
        between = convert_to_tensor(" " if chosen is None else chosen, string)
        return SparseTensor(*add_op("StringSplit", texts, between, skip_empty=bool(skip_empty)))


def strings_split_v1(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> SparseTensor:
    """The parts of each string between separators, as Python's `str.split` takes it apart: a SparseTensor.

    input: strings [n] -> [n, most parts]; of a known higher rank [..., n] -> [..., n, most parts].
    sep: the whole separator; None or "": blanks, and then no part is empty.  maxsplit: the most separators that count,
    if it is positive.  source: an older name of `input`.
    result_type: "SparseTensor"; dflow has no ragged tensors.
    """
    _only_sparse(result_type)
    texts = strings(_either("input", input, "source", source))
    with scopes.building_in(texts.graph), texts.graph.name_scope(name or "StringSplit"):
        if texts.shape.ndims == 1:
            return string_split_v2(texts, sep, maxsplit)
        flat = string_split_v2(reshape(texts, [-1]), sep, maxsplit)
        return _with_leading_axes(flat, shape(texts, out_type=int64), texts.shape.known)


def string_split_v2(source: Any, sep: Any = None, maxsplit: int = -1) -> SparseTensor:
    """The parts of each string of a vector [n]: a SparseTensor [n, most parts].  As `strings_split_v1`."""
    with scopes.building_in(graph_of((source, sep))):
        texts = convert_to_tensor(source, string, name="source")
        between = convert_to_tensor("" if sep is None else sep, string, name="sep")
        return SparseTensor(*add_op("StringSplitV2", texts, between, maxsplit=int(maxsplit)))


def _with_leading_axes(flat: SparseTensor, sizes: Tensor, known: Sequence[int | None]) -> SparseTensor:
    """The rows of `flat`, [n, parts], as those of an array of `sizes`, whose product is n."""
    rows, columns = flat.indices[:, :1], [flat.indices[:, 1:]]
    for axis in reversed(range(len(known))):
        columns.insert(0, floormod(rows, sizes[axis]))
        rows = floordiv(rows, sizes[axis])
    return SparseTensor(concat(columns, 1), flat.values, concat([sizes, flat.dense_shape[1:]], 0))


def string_bytes_split(input: Any, name: str | None = None) -> Tensor:
    """The bytes of one string, as strings: [length].

    NotImplementedError for a tensor of higher rank, whose result is a ragged tensor in TensorFlow.
    """
    text = strings(input)
    if text.shape.ndims != 0:
        raise NotImplementedError("bytes_split of more than one string gives a ragged tensor, which dflow has not")
    with scopes.building_in(text.graph), text.graph.name_scope(name or "StringsByteSplit"):
        return string_split(reshape(text, [1]), "", skip_empty=False).values


def _only_sparse(result_type: str) -> None:
    if result_type == "RaggedTensor":
        raise NotImplementedError("dflow has no ragged tensors; use result_type='SparseTensor'")
    if result_type != "SparseTensor":
        raise ValueError("result_type must be 'RaggedTensor' or 'SparseTensor'.")


def _either(name: str, value: Any, older: str, older_value: Any) -> Any:
    if older_value is None:
        return value
    if value is not None:
        raise ValueError(f"Cannot specify both '{older}' and '{name}'")
    return older_value


def _spec(texts: TensorSpec, sep: TensorSpec, **attrs: Any) -> list[TensorSpec]:
    check(texts)
    check(sep, "the separator")
    texts.shape.with_rank(1)
    sep.shape.with_rank(0)
    shapes = ([None, 2], int64), ([None], string), ([2], int64)
    return [TensorSpec(TensorShape(sizes), dtype) for sizes, dtype in shapes]


def _split_kernel(texts: Array, delimiter: Array, skip_empty: bool) -> tuple[Array, Array, Array]:
    delimiters = _checked(texts, delimiter)
    if not delimiters:
        return _of_rows([[text[i : i + 1] for i in range(len(text))] for text in texts.tolist()])
    one = delimiters[:1]
    if len(delimiters) > 1:
        to_one = bytes.maketrans(delimiters, one * len(delimiters))
        texts = array_of((text.translate(to_one) for text in texts.tolist()), texts.shape)
    counts, parts = _parts(texts, one)
    rows = np.repeat(np.arange(len(texts)), counts)
    # an empty string has no part, even if empty parts are kept
    kept = _lengths(parts) > 0 if skip_empty else _lengths(texts)[rows] > 0
    return _sparse(np.bincount(rows[kept], minlength=len(texts)), parts[kept])


def _split_v2_kernel(texts: Array, sep: Array, maxsplit: int) -> tuple[Array, Array, Array]:
    between = _checked(texts, sep)
    if not between:
        return _of_rows([text.split(None, maxsplit if maxsplit > 0 else -1) for text in texts.tolist()])
    return _sparse(*_parts(texts, between, maxsplit if maxsplit > 0 else None))


def _checked(texts: Array, separator: Array) -> bytes:
    """The separator; InvalidArgumentError for operands of another rank."""
    if separator.ndim:
        raise InvalidArgumentError(None, None, f"delimiter must be a scalar, got shape: {list(separator.shape)}")
    if texts.ndim != 1:
        raise InvalidArgumentError(None, None, f"input must be a vector, got shape: {list(texts.shape)}")
    return bytes(separator.item())


def _parts(texts: Array, separator: bytes, most: int | None = None) -> tuple[Array, Array]:
    """How many parts each string has, and all parts: by Arrow, which makes no list for each string."""
    import pyarrow as pa  # takes longer to import than all of dflow
    import pyarrow.compute as pc

    lists = pc.split_pattern(pa.array(texts, pa.large_binary()), pattern=separator, max_splits=most)
    return np.diff(lists.offsets.to_numpy()), lists.flatten().to_numpy(zero_copy_only=False)


def _lengths(texts: Array) -> Array:
    return np.fromiter(map(len, texts.tolist()), np.int64, len(texts))


def _of_rows(rows: list[list[bytes]]) -> tuple[Array, Array, Array]:
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    return _sparse(counts, array_of(chain.from_iterable(rows), (int(counts.sum()),)))


def _sparse(counts: Array, parts: Array) -> tuple[Array, Array, Array]:
    """The parts of all strings, so many of each, as the arrays of a sparse tensor."""
    starts = np.cumsum(counts) - counts
    columns = np.arange(len(parts)) - np.repeat(starts, counts)
    indices = np.stack([np.repeat(np.arange(len(counts)), counts), columns], axis=1)
    return indices.astype(np.int64, copy=False), parts, np.array([len(counts), counts.max(initial=0)], np.int64)


for _kind, _kernel in (("StringSplit", _split_kernel), ("StringSplitV2", _split_v2_kernel)):
    define(_kind, spec=_spec, kernel=_kernel, gradient=NO_GRADIENT, batch=each_step, host_only=True)
