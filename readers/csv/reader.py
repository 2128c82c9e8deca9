"""CSV files, in blocks of columns.  `TextLineReader` and `decode_csv` do the same line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dflow.readers.blocks import BlockReader, Blocks, Columns, arrow_types, skipped
from dflow.readers.text import open_file
from dflow.registry import reader

_BYTES = 1 << 20  # decoded at once


class CSVReader(BlockReader):
    """Hands out the rows of CSV files in blocks, each column as a tensor of shape [rows].

        batch = df.CSVReader({"x": df.float32, "label": df.FixedLenFeature([], df.int32, -1)}).read_block(queue)

    columns: name -> the dtype, or a FixedLenFeature of shape [] with a `default_value` for missing fields.  Without a
        default, a missing field is an error.  Other columns of the file are not decoded.
    block: rows at once; the last block of a file has fewer.
    names: of all columns of the files; None: the first line of each file has them.
    field_delim: one character.  na_value: a field that is missing, besides the empty one.
    Of columns of one name in a file the first is read.  A number beyond float32 is infinite, as for `decode_csv`.
    Fields may be quoted, and hold newlines then; lines without any character are no rows.  A number may have spaces
    around it; a field of spaces is not missing, other than for `decode_csv`.
    File names are local paths, or URLs of any file system that fsspec knows.  Counts of records are counts of blocks.
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        block: int = 1024,
        names: Sequence[str] | None = None,
        field_delim: str = ",",
        na_value: str = "",
        name: str | None = None,
    ) -> None:
        if len(field_delim) != 1:
            raise ValueError(f"field_delim should be only 1 char, got {field_delim!r}")
        if names and len(set(names)) < len(names):
            raise ValueError(f"names must differ from each other, got {list(names)}")
        options = {"names": names and tuple(names), "field_delim": field_delim, "na_value": na_value}
        super().__init__("CSVReader", columns, block, options, name)
        for column in self._columns:
            if column.shape:
                raise ValueError(f"column {column.key}: a field of a CSV file has shape [], not {list(column.shape)}")


@reader("CSVReader")
class CSVBlocks(Blocks):
    """The format of a `CSVReader`."""

    def __init__(
        self,
        columns: Columns,
        block: int = 1024,
        names: tuple[str, ...] | None = None,
        field_delim: str = ",",
        na_value: str = "",
    ) -> None:
        super().__init__(columns, block)
        self._names = names
        self._field_delim = field_delim
        self._na_value = na_value
        self._file: Any = None
        self._reader: Any = None

    def batches(self, path: str, row: int) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import csv

        self._file = open_file(path)
        types = arrow_types()
        try:
            self._reader = csv.open_csv(
                self._file,
                csv.ReadOptions(block_size=_BYTES, column_names=self._names),
                csv.ParseOptions(delimiter=self._field_delim, newlines_in_values=True),
                csv.ConvertOptions(
                    column_types={column.key: types[column.dtype.name] for column in self._columns},
                    include_columns=[column.key for column in self._columns],
                    null_values=["", self._na_value],
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return iter(())
            raise
        return skipped(iter(self._reader), row)

    def close(self) -> None:
        for opened in (self._reader, self._file):
            if opened is not None:
                opened.close()
        self._reader = self._file = None
