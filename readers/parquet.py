"""Parquet files, in blocks of columns."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dflow.errors import DataLossError
from dflow.readers.blocks import BlockReader, Blocks, Columns, skipped
from dflow.readers.text import open_file
from dflow.registry import reader


class ParquetReader(BlockReader):
    """Hands out the rows of Parquet files in blocks, each column as a tensor.

        columns = {"pixels": df.FixedLenFeature([64], df.float32), "digit": df.int64}
        batch = df.ParquetReader(columns, block=256).read_block(queue)
        batch["pixels"]  # float32 [rows, 64]

    columns: name -> the dtype to read it as, or a FixedLenFeature: `shape` for a column of lists, and `default_value`
        for missing values.  Without a default, a missing value is an error.  No other columns are read from the file.
    block: rows at once; the last block of a file has fewer.
    A number beyond float32, or float16, becomes infinite there; an integer that does not fit is an error.
    File names are local paths, or URLs of any file system that fsspec knows.  Counts of records are counts of blocks.
    """

    def __init__(self, columns: Mapping[str, Any], block: int = 1024, name: str | None = None) -> None:
        super().__init__("ParquetReader", columns, block, {}, name)


@reader("ParquetReader")
class ParquetBlocks(Blocks):
    """The format of a `ParquetReader`."""

    def __init__(self, columns: Columns, block: int = 1024) -> None:
        super().__init__(columns, block)
        self._file: Any = None

    def batches(self, path: str, row: int) -> Iterator[Any]:
        import pyarrow.parquet as pq

        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with _as_data_loss():
            self._file = pq.ParquetFile(open_file(path) if "://" in path else path)
            names, existing = [column.key for column in self._columns], self._file.schema_arrow.names
        if missing := [name for name in names if name not in existing]:
            raise ValueError(f"there is no column {', '.join(missing)}; the file has {', '.join(existing)}")
        groups = range(self._file.num_row_groups)
        while groups and (rows := self._file.metadata.row_group(groups[0]).num_rows) <= row:
            groups, row = groups[1:], row - rows
        return skipped(self._batches(groups, names), row)

    def _batches(self, groups: Sequence[int], names: list[str]) -> Iterator[Any]:
        with _as_data_loss():
            yield from self._file.iter_batches(self._block, row_groups=list(groups), columns=names)

    def close(self) -> None:
        if self._file is not None:
            self._file.close(force=True)


@contextmanager
def _as_data_loss() -> Iterator[None]:
    """DataLossError for a ValueError of Arrow while it reads: the file is broken, or no Parquet file.

    An OSError without a number means the same, see `Blocks`.
    """
    try:
        yield
    except ValueError as error:
        raise DataLossError(None, None, f"the file is broken, or no Parquet file: {error}") from error
