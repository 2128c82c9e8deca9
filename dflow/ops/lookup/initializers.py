"""What fills a lookup table once: keys and values, or a text file.

Source: KeyValueTensorInitializer, TextFileInitializer and their like of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

from dflow.dtypes import DType, as_dtype, int64, string
from dflow.graph import GraphKeys, Operation, Tensor, convert_to_tensor, get_default_graph, scopes
from dflow.ops.lookup.operations import add
from dflow.ops.lookup.text_file import LINE_NUMBER, WHOLE_LINE
from dflow.ops.rules.static import graph_of

__all__ = [
    "KeyValueTensorInitializer",
    "TableInitializerBase",
    "TextFileIdTableInitializer",
    "TextFileIndex",
    "TextFileInitializer",
    "TextFileStringTableInitializer",
]


class TextFileIndex:
    """What is a key or a value in a file, other than a column: the whole line, or the number of the line."""

    WHOLE_LINE = WHOLE_LINE
    LINE_NUMBER = LINE_NUMBER


class TableInitializerBase:
    """The base class of initializers: the dtypes of keys and values, and `initialize`."""

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = as_dtype(key_dtype)
        self._value_dtype = as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        return self._value_dtype

    @property
    def _shared_name(self) -> str:
        """The name under which tables with this initializer share their entries; "" for none."""
        return ""

    def initialize(self, table: Any) -> Operation:
        """Add the operation that fills a table; it is in the collection TABLE_INITIALIZERS."""
        raise NotImplementedError

    def _check(self, table: Any) -> None:
        for what, mine, other in (
            ("key", self.key_dtype, table.key_dtype),
            ("value", self.value_dtype, table.value_dtype),
        ):
            if mine != other:
                raise TypeError(f"Invalid {what} dtype for table, expected {other.name} but got {mine.name}.")


class KeyValueTensorInitializer(TableInitializerBase):
    """Fills a table with keys and values, vectors of one length.

    key_dtype, value_dtype: of values that are not tensors; None: as they are inferred.
    """

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        self._name = name or "key_value_init"
        graph = graph_of((keys, values))
        with scopes.building_in(graph):
            self._keys = convert_to_tensor(keys, None if key_dtype is None else as_dtype(key_dtype), name="keys")
            self._values = convert_to_tensor(
                values, None if value_dtype is None else as_dtype(value_dtype), name="values"
            )
        super().__init__(self._keys.dtype, self._values.dtype)

    def initialize(self, table: Any) -> Operation:
        self._check(table)
        graph = self._keys.graph
        with scopes.building_in(graph), graph.name_scope(self._name):
            self._keys.shape.with_rank(1).merge_with(self._values.shape)
            op: Operation = add("LookupTableImportV2", table.resource_handle.op, self._keys, self._values)
        graph.add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)
        return op


class TextFileInitializer(TableInitializerBase):
    """Fills a table with the lines of a text file.

    filename: a path or a URL, text or a scalar string tensor.  key_index, value_index: the number of a column, or
    `TextFileIndex.WHOLE_LINE` or `LINE_NUMBER` (int64, from 0 on).  vocab_size: how many lines there are at least, and
    are read; None: all.  delimiter: between columns.
    ValueError for arguments that do not fit.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
    ) -> None:
        if not isinstance(filename, Tensor) and not filename:
            raise ValueError(f"Filename required for {name}.")
        super().__init__(key_dtype, value_dtype)
        _check_key(key_index, self.key_dtype)
        _check_value(value_index, self.value_dtype)
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"Invalid vocab_size {vocab_size}.")
        self._filename = filename
        self._key_index, self._value_index = key_index, value_index
        self._vocab_size = vocab_size
        self._delimiter = delimiter
        self._name = name

    @property
    def _shared_name(self) -> str:
        file = self._filename.name if isinstance(self._filename, Tensor) else _text(self._filename)
        parts = [file, *([self._vocab_size] if self._vocab_size else []), self._key_index, self._value_index]
        return f"hash_table_{'_'.join(str(part) for part in parts)}"

    def initialize(self, table: Any) -> Operation:
        self._check(table)
        graph = get_default_graph()
        with graph.name_scope(self._name or "text_file_init"):
            filename = convert_to_tensor(self._filename, string, name="asset_filepath")
            op: Operation = add(
                "InitializeTableFromTextFileV2",
                table.resource_handle.op,
                filename,
                key_index=self._key_index,
                value_index=self._value_index,
                vocab_size=-1 if self._vocab_size is None else self._vocab_size,
                delimiter=self._delimiter,
            )
        graph.add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)
        if filename.op.type == "Const":  # else it is no file that belongs to the program
            graph.add_to_collection(GraphKeys.ASSET_FILEPATHS, filename)
        return op


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check_key(index: int, dtype: DType) -> None:
    if index < WHOLE_LINE:
        raise ValueError(f"Invalid key index {index}.")
    if index == LINE_NUMBER and dtype != int64:
        raise ValueError(f"Signature mismatch. Keys must be dtype int64, got {dtype.name}.")
    if index == WHOLE_LINE and not dtype.is_integer and dtype != string:
        raise ValueError(f"Signature mismatch. Keys must be integer or string, got {dtype.name}.")


def _check_value(index: int, dtype: DType) -> None:
    if index < WHOLE_LINE:
        raise ValueError(f"Invalid value index {index}.")
    if index == LINE_NUMBER and dtype != int64:
        raise ValueError(f"Signature mismatch. Values must be dtype int64, got {dtype.name}.")
    if index == WHOLE_LINE and not dtype.is_integer and dtype != string:
        raise ValueError(f"Signature mismatch. Values must be integer or string, got {dtype.name}.")


class TextFileStringTableInitializer(TextFileInitializer):
    """Fills a table from int64 ids to strings: the numbers of the lines of a file, and the lines."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = LINE_NUMBER,
        value_column_index: int = WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = "text_file_string_table_init",
    ) -> None:
        super().__init__(filename, int64, key_column_index, string, value_column_index, vocab_size, delimiter, name)


class TextFileIdTableInitializer(TextFileInitializer):
    """Fills a table from strings (or integers) to int64 ids: the lines of a file, and their numbers."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = WHOLE_LINE,
        value_column_index: int = LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = "text_file_id_table_init",
        key_dtype: Any = string,
    ) -> None:
        super().__init__(filename, key_dtype, key_column_index, int64, value_column_index, vocab_size, delimiter, name)
