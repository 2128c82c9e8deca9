"""CSV records to columns, record by record: the reference for values and errors.

A batch is decoded column by column, each in one pass.  If anything in it is wrong, its records are checked one by one,
by the same functions, until the first fault shows its place: so a batch without faults pays nothing for good messages.
`arrow.py` decodes many records faster, where it is sure to give the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dflow.dtypes import DType, float32, float64, int32, int64, string
from dflow.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]
Default = float | int | bytes | None
TYPES = {float32: "float", float64: "double", int32: "int32", int64: "int64", string: "string"}  # names in messages
_SHOWN = 120  # characters of a record or a field in a message
_LAYOUTS = 256  # layouts that are kept


class _Fault(ValueError):
    """The fault of one record.  column: its place in the record; None: the record as a whole."""

    def __init__(self, fact: str, column: int | None) -> None:
        super().__init__(fact)
        self.column = column


@dataclass(frozen=True, slots=True)
class Column:
    """The dtype and the default of a column.  default: None: the column is required."""

    dtype: DType
    default: Default
    is_text: bool
    parse: Callable[[bytes], Any]  # the value of a valid field; int and float accept some invalid fields, too


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The format of a record, its selected fields, and their columns."""

    delim: bytes
    quotes: bool
    na: bytes
    select: tuple[int, ...] | None  # None: all
    columns: tuple[Column, ...]


def layout_of(
    out_types: Sequence[DType],
    defaults: Sequence[Default],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: tuple[int, ...] | None = None,
) -> Layout:
    """The layout for arguments of `decode_csv`.  It is kept: the same objects give the same layout.

    Why by identity: to hash and compare types and defaults takes as long as to decode a record, and -0.0 equals 0.0.
    """
    key = (id(out_types), id(defaults), field_delim, use_quote_delim, na_value, select_cols)
    if (entry := _layouts.get(key)) is not None:
        return entry[0]
    layout = new_layout(out_types, defaults, field_delim, use_quote_delim, na_value, select_cols)
    if len(_layouts) >= _LAYOUTS:
        _layouts.clear()
    _layouts[key] = layout, out_types, defaults  # kept, so that their ids stay theirs
    return layout


def new_layout(
    out_types: Sequence[DType],
    defaults: Sequence[Default],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: tuple[int, ...] | None = None,
) -> Layout:
    """A layout that is used once."""
    delim = field_delim.encode()
    if len(delim) != 1:
        raise InvalidArgumentError(None, None, f"field_delim should be only 1 char, got {field_delim!r}")
    columns = tuple(_column(dtype, default) for dtype, default in zip(out_types, defaults, strict=True))
    return Layout(delim, use_quote_delim, na_value.encode(), select_cols, columns)


_layouts: dict[Any, tuple[Layout, Sequence[DType], Sequence[Default]]] = {}


def _column(dtype: DType, default: Default) -> Column:
    is_text = dtype == string
    return Column(dtype, default, is_text, bytes if is_text else float if dtype.is_floating else int)


# -- records to columns


def decode_one(record: bytes, layout: Layout) -> list[Array]:
    """Decode one record: a 0-d array per column.  Raises InvalidArgumentError as `decode_each` does."""
    try:
        fields = split(record, layout)
        with np.errstate(over="ignore"):
            return [
                np.array(_value(field, column, layout.na), column.dtype.numpy_dtype)
                for field, column in zip(fields, layout.columns, strict=True)
            ]
    except (ValueError, OverflowError):
        _find_fault([record], layout)
        raise


def decode_each(records: Sequence[bytes], layout: Layout) -> list[Array]:
    """Decode records: a vector per column.

    Raises InvalidArgumentError with the index of the first record that does not fit as its attribute `record`.
    """
    try:
        rows = [split(record, layout) for record in records]
        if any(len(row) != len(layout.columns) for row in rows):
            raise ValueError("a record has another number of fields")
        fields = list(zip(*rows, strict=True)) or [()] * len(layout.columns)
        return [_convert(own, column, layout.na) for own, column in zip(fields, layout.columns, strict=True)]
    except (ValueError, OverflowError):
        _find_fault(records, layout)
        raise


def _find_fault(records: Sequence[bytes], layout: Layout) -> None:
    """Raise InvalidArgumentError for the first record that has a fault, if one has."""
    for index, record in enumerate(records):
        try:
            _check(index, record, layout)
        except _Fault as fault:
            raise _as_op_error(index, record, fault) from None


def _check(index: int, record: bytes, layout: Layout) -> None:
    """Raise the first fault of one record, if it has any."""
    fields = split(record, layout)
    if len(fields) != len(layout.columns):
        raise _Fault(f"Expect {len(layout.columns)} fields but have {len(fields)} in record {index}", None)
    for place, (field, column) in enumerate(zip(fields, layout.columns, strict=True)):
        where = place if layout.select is None else layout.select[place]
        if column.default is None and _is_missing(field, column, layout.na):
            raise _Fault(f"Field {place} is required but missing in record {index}!", where)
        try:
            _convert((field,), column, layout.na)
        except (ValueError, OverflowError):
            fact = f"Field {place} in record {index} is not a valid {TYPES[column.dtype]}: {_shown(field)}"
            raise _Fault(fact, where) from None


def _as_op_error(index: int, record: bytes, fault: _Fault) -> InvalidArgumentError:
    where = "in" if fault.column is None else f"in column {fault.column} of"
    error = InvalidArgumentError(None, None, f"{fault}\n  {where} {_shown(record)!r}")
    error.record = index  # type: ignore[attr-defined]
    return error


def _shown(text: bytes) -> str:
    shown = text.decode(errors="backslashreplace")
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."


# -- one record to fields


def split(record: bytes, layout: Layout) -> list[bytes]:
    """The selected fields of a record; fewer if it has not all of them.  Raises _Fault."""
    if b"\n" in record or b"\r" in record or (layout.quotes and b'"' in record):
        fields = list(_scan(record, layout))
    else:
        fields = record.split(layout.delim, -1 if layout.select is None else layout.select[-1] + 1) if record else []
    if layout.select is None:
        return fields
    return [fields[column] for column in layout.select if column < len(fields)]


def _scan(record: bytes, layout: Layout) -> Iterator[bytes]:
    """All fields up to the last selected one, of a record with quotes or newlines."""
    last = len(record) + 1 if layout.select is None else layout.select[-1] + 1
    at = count = 0
    while at < len(record):
        if record[at] in b"\r\n":  # before a field: skipped
            at += 1
            continue
        if layout.quotes and record[at] == ord('"'):
            field, at = _quoted(record, at + 1, layout.delim, count)
        else:
            field, at = _unquoted(record, at, layout, count)
        yield field
        count += 1
        if count == last:
            return
    if record.endswith(layout.delim):
        yield b""


def _unquoted(record: bytes, at: int, layout: Layout, column: int) -> tuple[bytes, int]:
    """The field that starts at `at`, and the place where the next one starts."""
    end = record.find(layout.delim, at)
    end = len(record) if end < 0 else end
    field = record[at:end]
    if b"\n" in field or b"\r" in field or (layout.quotes and b'"' in field):
        raise _Fault("Unquoted fields cannot have quotes/CRLFs inside", column)
    return field, end + 1


def _quoted(record: bytes, at: int, delim: bytes, column: int) -> tuple[bytes, int]:
    """The field whose opening quote is before `at`, and the place where the next one starts."""
    parts = []
    while (quote := record.find(b'"', at)) >= 0:
        following = record[quote + 1 : quote + 2]
        if following in (b"", delim):
            parts.append(record[at:quote])
            return b"".join(parts), quote + 2
        if following != b'"':
            raise _Fault("Quote inside a string has to be escaped by another quote", column)
        parts.append(record[at : quote + 1])
        at = quote + 2
    raise _Fault("Quoted field has to end with quote followed by delim or end", column)


# -- one column to an array


def _convert(fields: Sequence[bytes], column: Column, na: bytes) -> Array:
    """The fields of one column as a vector.  ValueError or OverflowError if one is invalid or missing."""
    try:
        if na in fields or (b"" in fields if column.is_text else b"_" in b"".join(fields)):
            raise ValueError("look at each field")
        values = list(map(column.parse, fields))
    except ValueError:
        values = [_value(field, column, na) for field in fields]
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite, as in TensorFlow
        return np.array(values, dtype=column.dtype.numpy_dtype)


def _value(field: bytes, column: Column, na: bytes) -> Any:
    if _is_missing(field, column, na):
        if column.default is None:
            raise ValueError("it is required but missing")
        return column.default
    if not column.is_text and b"_" in field:  # Python takes 1_000 for a number
        raise ValueError(f"{field!r} is no number")
    return column.parse(field)


def _is_missing(field: bytes, column: Column, na: bytes) -> bool:
    return not field or field == na or (not column.is_text and field.isspace())
