"""CSV records to columns, many at once: pyarrow reads them as one text.

pyarrow is more lenient than `decode.py` in some places and stricter in others.  Where it is stricter it raises, and
where it could accept invalid text, or read another value, `_parse` does not use it: then `decode.py` decodes the
records one by one.  So values and errors are always those of `decode.py`.

Why pyarrow, and why by the block: measured with 5 columns of floats on one core, in records a second, it reads 4.3
million where it gets 256 KB at once; but a call takes 0.05 to 0.3 ms, which leaves 0.4 million where it gets 128
records.  `numpy.loadtxt` reads 2.6 million, `numpy.fromstring` 2.4 (neither knows fields that are missing), Python's
`split` and `float` 1.4.  So the columns of a whole block are read once, and batches cut out of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dflow.dtypes import float32, float64, int32, int64
from dflow.readers.csv.decode import Column, Layout, decode_each, split
from dflow.readers.records import Block, Records

Columns = Sequence[Any]  # arrays, and Records for text

_WORTH = 1 << 12  # bytes of records; from this size on, pyarrow is faster than record by record
_MOST = 1 << 30  # bytes; pyarrow takes less than 2 GiB at once
_BOM = b"\xef\xbb\xbf"
_NO_DELIMITERS = (b'"', b"\r", b"\n", b"\0")


def decode_many(records: Sequence[bytes], layout: Layout) -> Columns:
    """`decode.decode_each`, faster."""
    text = b"\n".join(records)
    is_worth_it = len(text) >= _WORTH and b"\r" not in text and text.count(b"\n") == len(records) - 1
    columns = _parse(text, len(records), layout) if is_worth_it else None
    return decode_each(records, layout) if columns is None else columns


def decode_records(records: Records, layout: Layout) -> Columns:
    """`decode.decode_each` for records of a block; the whole block is decoded, and the result is kept there."""
    block = records.block
    if block.is_text and len(block.data) >= _WORTH:
        columns = block.memo(layout, lambda block: _parse_lines(Records(block), layout))
        if columns is not None:
            return [column[records.start : records.stop].copy() for column in columns]
        if len(records) < len(block) and (columns := _parse_lines(records, layout)) is not None:
            return columns
        return decode_each(records.tolist(), layout)
    return decode_many(records.tolist(), layout)


def _parse_lines(records: Records, layout: Layout) -> Columns | None:
    text = records.block.data[records.starts[0] : records.ends[-1]] if len(records) else b""
    return _parse(text, len(records), layout) if len(text) >= _WORTH else None


def _parse(text: bytes, n: int, layout: Layout) -> Columns | None:
    """The columns of n lines, with a line end between each two; None if they have to be decoded one by one."""
    import pyarrow as pa  # takes longer to import than all of dflow

    if not _is_plain(text, layout):
        return None
    try:
        width = len(layout.columns) if layout.select is None else _width(text, layout)
        if layout.select is not None and layout.select[-1] >= width:
            return None
        columns = dict(zip(layout.select or range(width), layout.columns, strict=True))
        types = {float32: pa.float64(), float64: pa.float64(), int32: pa.int32(), int64: pa.int64()}
        arrow_types = {name: types.get(column.dtype, pa.large_binary()) for name, column in columns.items()}
        if _looks_odd(text):
            numbers = {name: pa.large_binary() for name, column in columns.items() if not column.is_text}
            if numbers and any(map(_looks_odd, _fields(_read(text, width, numbers, layout)))):
                return None
        table = _read(text, width, arrow_types, layout)
        if table.num_rows != n:  # an empty record is none for pyarrow
            return None
        return [_as_array(values, column) for values, column in zip(table.columns, layout.columns, strict=True)]
    except ValueError:
        return None


def _is_plain(text: bytes, layout: Layout) -> bool:
    """Whether pyarrow sees the same records and fields as `decode.py` does."""
    return (
        len(text) < _MOST
        and layout.delim not in _NO_DELIMITERS
        and (b"\r" not in text or text.count(b"\r") == text.count(b"\r\n"))
        and not text.startswith(_BOM)
        and (not layout.quotes or b'"' not in text or _is_well_quoted(text, layout.delim))
    )


def _is_well_quoted(text: bytes, delim: bytes) -> bool:
    """Whether each quote is the first or the last byte of a field, or one of two that mean one.

    All quotes open and close by turns, since the second one of two opens the text that the first one closed.
    """
    data = np.frombuffer(b"\n%b\n" % text, np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes) % 2:
        return False
    allowed = np.zeros(256, bool)
    allowed[[ord('"'), ord(delim), ord("\r"), ord("\n")]] = True
    if not (allowed[data[quotes[::2] - 1]].all() and allowed[data[quotes[1::2] + 1]].all()):
        return False
    return not (np.searchsorted(quotes, np.flatnonzero(data == ord("\n"))) % 2).any()  # no line ends inside


def _width(text: bytes, layout: Layout) -> int:
    """The number of fields of the first record."""
    end = text.find(b"\n")
    first = text if end < 0 else text[:end].removesuffix(b"\r")
    return len(split(first, replace(layout, select=None)))


def _looks_odd(text: bytes) -> bool:
    """Whether pyarrow might accept an invalid number in it, such as `0x10` or `nan(1)`."""
    return b"(" in text or b"x" in text or b"X" in text


def _read(text: bytes, width: int, types: Mapping[int, Any], layout: Layout) -> Any:
    """The columns that `types` names, as an Arrow table.  ValueError if a field is not valid."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=list(map(str, range(width)))),
        csv.ParseOptions(delimiter=layout.delim.decode(), quote_char='"' if layout.quotes else False),
        csv.ConvertOptions(
            column_types={str(name): kind for name, kind in types.items()},
            include_columns=list(map(str, types)),
            null_values=["", layout.na.decode()],
            strings_can_be_null=True,
            check_utf8=False,
        ),
    )


def _fields(table: Any) -> Iterator[bytes]:
    """The bytes of all fields, for each chunk of a column."""
    for column in table.columns:
        for chunk in column.chunks:
            yield bytes(chunk.buffers()[2] or b"")


def _as_array(values: Any, column: Column) -> Any:
    """A column of Arrow as an array or as Records.  ValueError if a required field is missing.

    Why not Arrow's `to_numpy`: it imports pandas, and makes objects of texts that may never be used.
    """
    if values.null_count:
        if column.default is None:
            raise ValueError("it is required but missing")
        values = values.fill_null(column.default)
    values = values.combine_chunks()
    _, data, *texts = values.buffers()
    if column.is_text:
        places = np.frombuffer(data, np.int64, len(values) + 1)
        return Records(Block(bytes(texts[0] or b""), places[:-1], places[1:]))
    numbers = np.frombuffer(data, np.float64 if column.dtype.is_floating else column.dtype.numpy_dtype, len(values))
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite, as in TensorFlow
        return numbers.astype(column.dtype.numpy_dtype)
