"""Tables between the words of a vocabulary and their ids.

Source: index_table_from_file, index_table_from_tensor, index_to_string_table_from_file,
index_to_string_table_from_tensor of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import as_dtype, int64, string
from dflow.graph import Tensor, convert_to_tensor, scopes
from dflow.ops.array.cast import cast
from dflow.ops.array.sequence import range as range_
from dflow.ops.array.shape import size
from dflow.ops.lookup.buckets import FastHashSpec, HasherSpec, IdTableWithHashBuckets
from dflow.ops.lookup.initializers import (
    KeyValueTensorInitializer,
    TextFileIdTableInitializer,
    TextFileIndex,
    TextFileStringTableInitializer,
)
from dflow.ops.lookup.tables import LookupInterface, StaticHashTable
from dflow.ops.rules.static import constant_value, graph_of

__all__ = [
    "index_table_from_file",
    "index_table_from_tensor",
    "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
]


def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: HasherSpec = FastHashSpec,
    key_dtype: Any = string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> LookupInterface:
    """A table from the words of a file, one a line, to their ids, which are the numbers of the lines.

    num_oov_buckets: the number of ids behind them for all other words; 0: these have the id `default_value`.
    vocab_size, key_column_index, value_column_index, delimiter: as `TextFileInitializer`.
    key_dtype: string or an integer.
    """
    _check_file(vocabulary_file, vocab_size)
    keys = _check_keys(num_oov_buckets, key_dtype)
    graph = graph_of((vocabulary_file,))
    with scopes.building_in(graph), graph.name_scope(name or "string_to_index"):
        with graph.name_scope("hash_table"):
            initializer = TextFileIdTableInitializer(
                vocabulary_file,
                vocab_size=vocab_size,
                key_dtype=int64 if keys.is_integer else keys,
                name="table_init",
                key_column_index=key_column_index,
                value_column_index=value_column_index,
                delimiter=delimiter,
            )
            table = StaticHashTable(initializer, default_value)
        if not num_oov_buckets:
            return table
        return IdTableWithHashBuckets(table, num_oov_buckets, hasher_spec, key_dtype=keys)


def index_table_from_tensor(
    vocabulary_list: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: HasherSpec = FastHashSpec,
    dtype: Any = string,
    name: str | None = None,
) -> LookupInterface:
    """A table from the words of a vector to their ids, which are their places.  As `index_table_from_file`."""
    if vocabulary_list is None:
        raise ValueError("vocabulary_list must be specified.")
    kind = _check_keys(num_oov_buckets, dtype)
    graph = graph_of((vocabulary_list,))
    with scopes.building_in(graph), graph.name_scope(name or "string_to_index"):
        words = convert_to_tensor(vocabulary_list)
        if words.dtype.is_integer != kind.is_integer:
            raise ValueError(f"Expected {'integer' if kind.is_integer else 'non-integer'}, got {words.dtype.name}.")
        if not kind.is_integer and words.dtype != kind:
            raise ValueError(f"Expected {kind.name}, got {words.dtype.name}.")
        ids = cast(range_(size(words)), int64)
        with graph.name_scope("hash_table"):
            keys = cast(words, int64) if words.dtype.is_integer else words
            table = StaticHashTable(
                KeyValueTensorInitializer(keys, ids, keys.dtype, int64, name="table_init"), default_value
            )
        if not num_oov_buckets:
            return table
        return IdTableWithHashBuckets(table, num_oov_buckets, hasher_spec, key_dtype=kind)


def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: Any = "UNK",
    name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER,
    value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> StaticHashTable:
    """A table from ids, which are the numbers of lines, to the words of a file; `default_value` for other ids."""
    _check_file(vocabulary_file, vocab_size)
    graph = graph_of((vocabulary_file,))
    with scopes.building_in(graph), graph.name_scope(name or "index_to_string"):
        initializer = TextFileStringTableInitializer(
            vocabulary_file,
            vocab_size=vocab_size,
            name="table_init",
            key_column_index=key_column_index,
            value_column_index=value_column_index,
            delimiter=delimiter,
        )
        return StaticHashTable(initializer, default_value)


def index_to_string_table_from_tensor(
    vocabulary_list: Any, default_value: Any = "UNK", name: str | None = None
) -> StaticHashTable:
    """A table from ids, which are the places in a vector, to its words; `default_value` for other ids."""
    if vocabulary_list is None:
        raise ValueError("vocabulary_list must be specified.")
    graph = graph_of((vocabulary_list,))
    with scopes.building_in(graph), graph.name_scope(name or "index_to_string"):
        words = convert_to_tensor(vocabulary_list, string)
        ids = cast(range_(size(words)), int64)
        return StaticHashTable(KeyValueTensorInitializer(ids, words, int64, string, name="table_init"), default_value)


def _check_file(vocabulary_file: Any, vocab_size: int | None) -> None:
    if vocabulary_file is None or (isinstance(vocabulary_file, (str, bytes)) and not vocabulary_file):
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    if vocab_size is not None and vocab_size < 1:
        shown = vocabulary_file
        if isinstance(vocabulary_file, Tensor):
            known = constant_value(vocabulary_file)
            shown = "?" if known is None else known.item().decode()
        raise ValueError(f"vocab_size must be greater than 0, got {vocab_size}. vocabulary_file: {shown}")


def _check_keys(num_oov_buckets: int, dtype: Any) -> Any:
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    kind = as_dtype(dtype)
    if not kind.is_integer and kind != string:
        raise TypeError("Only integer and string keys are supported.")
    return kind
