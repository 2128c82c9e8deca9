"""Lookup tables: `df.contrib.lookup`.  Source: tf.contrib.lookup of TensorFlow 1.15."""

from __future__ import annotations

from typing import Any

from dflow.dtypes import string
from dflow.graph import Tensor
from dflow.ops.lookup.buckets import FastHashSpec, HasherSpec, IdTableWithHashBuckets, StrongHashSpec
from dflow.ops.lookup.initializers import (
    KeyValueTensorInitializer,
    TableInitializerBase,
    TextFileIdTableInitializer,
    TextFileIndex,
    TextFileInitializer,
    TextFileStringTableInitializer,
)
from dflow.ops.lookup.mutable import DenseHashTable as MutableDenseHashTable
from dflow.ops.lookup.mutable import MutableHashTable
from dflow.ops.lookup.tables import HashTable, InitializableLookupTableBase, LookupInterface, StaticHashTable
from dflow.ops.lookup.vocabularies import index_table_from_file, index_to_string_table_from_file
from dflow.ops.lookup.vocabularies import index_table_from_tensor as _index_table_from_tensor
from dflow.ops.lookup.vocabularies import index_to_string_table_from_tensor as _index_to_string_table_from_tensor

__all__ = [
    "FastHashSpec",
    "HashTable",
    "HasherSpec",
    "IdTableWithHashBuckets",
    "InitializableLookupTableBase",
    "KeyValueTensorInitializer",
    "LookupInterface",
    "MutableDenseHashTable",
    "MutableHashTable",
    "StrongHashSpec",
    "TableInitializerBase",
    "TextFileIdTableInitializer",
    "TextFileIndex",
    "TextFileInitializer",
    "TextFileStringTableInitializer",
    "index_table_from_file",
    "index_table_from_tensor",
    "index_to_string",
    "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
    "string_to_index",
]


def index_table_from_tensor(
    mapping: Any,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: HasherSpec = FastHashSpec,
    dtype: Any = string,
    name: str | None = None,
) -> LookupInterface:
    """A table from the words of a vector to their ids, which are their places; see `index_table_from_file`."""
    if mapping is None:
        raise ValueError("mapping must be specified.")
    return _index_table_from_tensor(mapping, num_oov_buckets, default_value, hasher_spec, dtype, name)


def string_to_index(tensor: Any, mapping: Any, default_value: int = -1, name: str | None = None) -> Any:
    """The place in `mapping` of each string.  An older name of a lookup in `index_table_from_tensor`."""
    return index_table_from_tensor(mapping, default_value=default_value, name=name).lookup(tensor)


def index_to_string_table_from_tensor(
    mapping: Any, default_value: Any = "UNK", name: str | None = None
) -> StaticHashTable:
    """A table from ids, which are the places in a vector, to its words; `default_value` for other ids."""
    if mapping is None:
        raise ValueError("mapping must be specified.")
    return _index_to_string_table_from_tensor(mapping, default_value, name)


def index_to_string(tensor: Any, mapping: Any, default_value: Any = "UNK", name: str | None = None) -> Tensor:
    """The word in `mapping` at each id.  An older name of a lookup in `index_to_string_table_from_tensor`."""
    result: Tensor = index_to_string_table_from_tensor(mapping, default_value, name).lookup(tensor)
    return result
