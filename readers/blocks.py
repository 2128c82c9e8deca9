"""Tables in blocks: the common part of the readers of files with columns.

A record of such a reader is a block: up to a number of rows of one file, as bytes (an Arrow stream), under the key
`<file>:<number of its first row>`.  So states, counts and `read` are those of any reader, and a block may go through a
queue; `read_block` decodes it into one tensor per column.

Why a block is cut to size here: a restored reader gives the same blocks, regardless of the parts that a file is stored
in.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dflow.dtypes import ALL, as_dtype, string
from dflow.errors import DataLossError, InvalidArgumentError, OpError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.readers import ReaderBase
from dflow.readers.defaults import Computed
from dflow.readers.example.features import Fixed, FixedLenFeature, fixed
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]
Columns = tuple[Fixed, ...]

DTYPES = tuple(dtype for dtype in ALL if not dtype.is_complex and dtype.name != "bfloat16")


class BlockReader(ReaderBase):
    """A reader whose records are blocks of rows.  See `ParquetReader` and `CSVReader`."""

    def __init__(
        self, kind: str, columns: Mapping[str, Any], block: int, options: Mapping[str, Any], name: str | None
    ) -> None:
        self._columns = _columns_of(columns)
        super().__init__(kind, {"columns": self._columns, "block": int(block), **options}, name)

    def read_block(self, queue: Any, name: str | None = None) -> dict[str, Tensor]:
        """The next rows of a file, at least one: column name -> tensor of shape [rows, *shape of the column].

        It waits and ends as `read` does.  InvalidArgumentError for a column that is not there, or has a value that is
        missing or does not fit its dtype; of such a file no more may come.
        """
        _, block = self.read(queue, name)
        return decode_block(block, self._columns)


def decode_block(block: Any, columns: Columns, name: str | None = None) -> dict[str, Tensor]:
    """A record of a BlockReader as one tensor per column.  block: a scalar string."""
    op = create_op("DecodeBlock", convert_to_tensor(block, string), name=name, columns=columns)
    return {column.key: tensor for column, tensor in zip(columns, op.outputs, strict=True)}


def _columns_of(columns: Mapping[str, Any]) -> Columns:
    if not isinstance(columns, Mapping) or not columns:
        raise ValueError(f"columns must be a dict with a dtype or a FixedLenFeature per column, got {columns!r}")
    planned = []
    for key, dtype_or_feature in columns.items():
        feature = (
            dtype_or_feature if isinstance(dtype_or_feature, FixedLenFeature) else FixedLenFeature([], dtype_or_feature)
        )
        dtype = as_dtype(feature.dtype)
        if dtype not in DTYPES:
            raise ValueError(f"column {key}: a column cannot be {dtype.name}")
        column = fixed(key, feature, dtype)
        if isinstance(column.default, Computed):
            raise ValueError(f"column {key}: its default_value must be known while the graph is built")
        planned.append(column)
    return tuple(planned)


def _spec(block: TensorSpec, *, columns: Columns) -> list[TensorSpec]:
    block.shape.with_rank(0)
    return [TensorSpec(TensorShape([None, *column.shape]), column.dtype) for column in columns]


def _kernel(block: Array, *, columns: Columns) -> Array | list[Array]:
    import pyarrow as pa  # takes longer to import than all of dflow

    try:
        table = pa.ipc.open_stream(block.item()).read_all()
        arrays = [_as_array(table.column(column.key), column) for column in columns]
    except (ValueError, KeyError, OSError) as error:
        raise InvalidArgumentError(None, None, f"this is no block with these columns: {error}") from error
    return arrays[0] if len(arrays) == 1 else arrays


def _as_array(column: Any, feature: Fixed) -> Array:
    values = column.combine_chunks()
    if feature.shape:
        values = values.flatten()
    array: Array = values.to_numpy(zero_copy_only=False)
    array = array.astype(feature.dtype.numpy_dtype, copy=False)
    return array.reshape(len(column), *feature.shape)


define(
    "DecodeBlock",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a column of a file has no gradient"),
    host_only=True,
)


# -- the format


class Blocks:
    """The format of a BlockReader, but for `batches`.  Its state is the number of rows handed out of the file."""

    def __init__(self, columns: Columns, block: int) -> None:
        if block <= 0:
            raise InvalidArgumentError(None, None, f"block must be positive, got {block}")
        self._columns = columns
        self._block = block
        self._path = ""
        self._row = 0
        self._tables: Iterator[Any] = iter(())
        self._failed: Exception | None = None

    @abstractmethod
    def batches(self, path: str, row: int) -> Iterator[Any]:
        """Open a file, and give its Arrow batches from row `row` on.  Raises the errors of Arrow."""

    @abstractmethod
    def close(self) -> None:
        """Leave the file, if one was opened."""

    def open(self, path: str, state: int | None = None) -> None:
        """Start at the first row, or at a state.  Raises OSError, DataLossError, InvalidArgumentError."""
        self._path, self._row, self._failed = path, state or 0, None
        try:
            self._tables = self._cut(self.batches(path, self._row))
        except Exception as error:
            self.close()
            raise self._as_op_error(error) from error

    def read(self) -> tuple[bytes, bytes] | None:
        """The next (key, block); None at the end."""
        if self._failed is not None:
            raise self._failed
        try:
            table = next(self._tables, None)
            if table is None:
                return None
            block = _serialized(_fitted(table, self._columns))
        except Exception as error:
            self._failed = self._as_op_error(error)
            raise self._failed from error
        key = b"%b:%d" % (os.fsencode(self._path), self._row)
        self._row += table.num_rows
        return key, block

    def state(self) -> int:
        return self._row

    def _cut(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same rows in tables of `block` rows; fewer in the last one."""
        import pyarrow as pa

        gathered: list[Any] = []
        rows = 0
        for batch in batches:
            gathered.append(batch)
            rows += batch.num_rows
            if rows >= self._block:
                table = pa.Table.from_batches(gathered)
                whole = rows - rows % self._block
                yield from (table.slice(start, self._block) for start in range(0, whole, self._block))
                gathered, rows = table.slice(whole).to_batches(), rows - whole
        if rows:
            yield pa.Table.from_batches(gathered)

    def _as_op_error(self, error: Exception) -> Exception:
        """An error of Arrow, with the file: values that do not fit, broken files; others stay as they are."""
        place = f"{self._path}:{self._row}"
        if isinstance(error, OpError):
            return type(error)(None, None, f"{place}; {error.message}")
        if isinstance(error, OSError) and error.errno is None:
            return DataLossError(None, None, f"{place}; {error}")
        if isinstance(error, (ValueError, KeyError, NotImplementedError)):
            return InvalidArgumentError(None, None, f"{place}; {error}")
        return error


def _fitted(table: Any, columns: Columns) -> Any:
    """The columns with the dtypes and shapes asked for, none missing a value."""
    import pyarrow as pa

    arrays = []
    for column in columns:
        try:
            arrays.append(_fit(table.column(column.key).combine_chunks(), column))
        except (ValueError, NotImplementedError) as error:
            raise InvalidArgumentError(None, None, f"column '{column.key}': {error}") from error
    return pa.Table.from_arrays(arrays, names=[column.key for column in columns])


def _fit(values: Any, column: Fixed) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    arrow_type = arrow_types()[column.dtype.name]
    if not column.shape:
        values = pc.cast(values, arrow_type)
        if values.null_count and column.default is not None:
            values = pc.fill_null(values, pa.scalar(column.default[0], arrow_type))
        return _complete(values)
    size = int(np.prod(column.shape, dtype=int))
    if values.null_count and column.default is not None:
        values = pc.if_else(values.is_valid(), values, pa.scalar(list(column.default), values.type))
    lengths = pc.unique(pc.list_value_length(_complete(values))).to_pylist()
    if lengths not in ([], [size]):
        raise ValueError(f"its lists have {sorted(lengths)} values, expected {size} for shape {list(column.shape)}")
    return pa.FixedSizeListArray.from_arrays(_complete(pc.cast(values.flatten(), arrow_type)), size)


def _complete(values: Any) -> Any:
    if values.null_count:
        row = values.is_null().to_pylist().index(True)
        raise ValueError(f"a value is required but missing in row {row} of the block; give the column a default")
    return values


def _serialized(table: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def arrow_types() -> dict[str, Any]:
    """The Arrow type of each dtype that a column may have, by name."""
    import pyarrow as pa

    special = {"string": pa.large_binary(), "bool": pa.bool_()}
    return {dtype.name: special.get(dtype.name) or pa.from_numpy_dtype(dtype.numpy_dtype) for dtype in DTYPES}


def skipped(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """The batches without their first `rows` rows."""
    for batch in batches:
        if rows >= batch.num_rows:
            rows -= batch.num_rows
        else:
            yield batch.slice(rows)
            rows = 0
