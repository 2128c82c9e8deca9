"""Decoding CSV: records to columns.

`decode` is the whole of it on plain bytes; the operation `DecodeCSV` wraps it.  A batch is decoded column by column,
each in one pass.  If anything in it is wrong, its records are checked one by one, by the same functions, until the
first fault shows its place: so a batch without faults pays nothing for good messages.

Where it differs from TensorFlow: a numeric field of blanks counts as missing.  A string keeps its blanks.
Source: tf.decode_csv of TensorFlow 1.15 (core/kernels/decode_csv_op.cc).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, float32, float64, int32, int64, string, to_array
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.batching import elementwise
from dflow.ops.constants import constant_value
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]
Default = float | int | bytes | None
_TYPES = {float32: "float", float64: "double", int32: "int32", int64: "int64", string: "string"}  # as messages say them
_SHOWN = 120  # characters of a record or a field in a message


def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
) -> list[Tensor]:
    """Decode CSV records: one tensor per column, each with the shape of `records`.

    records: strings, of any shape; each is one record (RFC 4180), without a newline at its end.
    record_defaults: a list with one entry per column, a scalar or a vector of length 0 or 1, known while the graph is
        built.  Its dtype (float32, float64, int32, int64, string) is the column's.  Length 0: the column is required.
    field_delim: one character.  use_quote_delim: `"` quotes a field; if not, it is an ordinary character.
    na_value: a field that is missing, besides the empty one.  A numeric field of blanks is missing too.
    select_cols: the columns to decode, strictly increasing; no others are checked.

    Wrong arguments are TypeErrors and ValueErrors.  A run raises InvalidArgumentError for the first record that does
    not fit; it shows the record and the column, and its attribute `record` is the record's index in the flat batch.
    Source: tf.decode_csv of TensorFlow 1.15.
    """
    if not isinstance(record_defaults, (list, tuple)):
        raise TypeError(f"Expected list for 'record_defaults' argument to 'DecodeCSV' Op, not {record_defaults!r}.")
    if not record_defaults:
        raise ValueError("record_defaults is empty: it needs one entry per column")
    columns = [_column(index, value) for index, value in enumerate(record_defaults)]
    if isinstance(records, Tensor) and records.dtype != string:
        raise TypeError(f"records are {records.dtype.name}, expected string: {records!r}")
    op = create_op(
        "DecodeCSV",
        convert_to_tensor(records, string, name="records"),
        name=name,
        out_types=tuple(dtype for dtype, _ in columns),
        defaults=tuple(default for _, default in columns),
        field_delim=field_delim,
        use_quote_delim=bool(use_quote_delim),
        na_value=na_value,
        select_cols=None if select_cols is None else _selection(select_cols, len(columns)),
    )
    return list(op.outputs)


def _column(index: int, value: Any) -> tuple[DType, Default]:
    """The dtype and the default of a column; None: it is required."""
    array = constant_value(value) if isinstance(value, Tensor) else to_array(value)
    which = f"record_defaults[{index}]"
    if array is None:
        raise ValueError(f"{which} must be known while the graph is built, got {value!r}")
    dtype = as_dtype(array.dtype)
    if dtype not in _TYPES:
        allowed = ", ".join(known.name for known in _TYPES)
        raise TypeError(f"{which} has dtype {dtype.name}, not in list of allowed values: {allowed}")
    if array.ndim > 1:
        raise ValueError(f"{which}: Shape must be at most rank 1 but is rank {array.ndim}")
    if array.size > 1:
        raise ValueError(f"{which}: a default must be a scalar or a vector of length 0 or 1, got length {array.size}")
    return dtype, array.reshape(-1).tolist()[0] if array.size else None


def _selection(select_cols: Sequence[int], n: int) -> tuple[int, ...]:
    chosen = tuple(int(column) for column in select_cols)
    if any(a >= b for a, b in pairwise(chosen)):
        raise ValueError(f"select_cols is not strictly increasing: {list(chosen)}")
    if any(column < 0 for column in chosen):
        raise ValueError(f"select_cols contains negative values: {list(chosen)}")
    if len(chosen) != n:
        raise ValueError(f"Length of select_cols and record_defaults do not match: {len(chosen)} columns, {n} defaults")
    return chosen


def _spec(records: TensorSpec, *, out_types: tuple[DType, ...], **_: Any) -> list[TensorSpec]:
    if records.dtype != string:
        raise DTypeError(f"records must be string, got {records.dtype.name}")
    return [TensorSpec(records.shape, dtype) for dtype in out_types]


def _kernel(records: Array, **attrs: Any) -> Any:
    columns = [column.reshape(records.shape) for column in decode(records.reshape(-1).tolist(), **attrs)]
    return columns[0] if len(columns) == 1 else columns


define(
    "DecodeCSV",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a CSV field has no gradient"),
    batch=elementwise,  # records of any shape are decoded alike
    host_only=True,
)


# -- decoding


class _Fault(ValueError):
    """What is wrong with one record.  column: where in the record; None: the record as a whole."""

    def __init__(self, fact: str, column: int | None) -> None:
        super().__init__(fact)
        self.column = column


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a record is written, which fields are wanted, and as what."""

    delim: bytes
    quotes: bool
    na: bytes
    select: tuple[int, ...] | None  # None: all
    columns: tuple[tuple[DType, Default], ...]


def decode(
    records: Sequence[bytes],
    out_types: Sequence[DType],
    defaults: Sequence[Default],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: tuple[int, ...] | None = None,
) -> list[Array]:
    """Decode records into one vector per column, of the column's dtype; see `decode_csv` for the rules.

    defaults: one per column; None: the column is required.
    Raises InvalidArgumentError with the index of the first record that does not fit as its attribute `record`.
    """
    delim = field_delim.encode()
    if len(delim) != 1:
        raise InvalidArgumentError(None, None, f"field_delim should be only 1 char, got {field_delim!r}")
    columns = tuple(zip(out_types, defaults, strict=True))
    layout = _Layout(delim, use_quote_delim, na_value.encode(), select_cols, columns)
    try:
        return _by_column(records, layout)
    except (ValueError, OverflowError):
        for index, record in enumerate(records):
            try:
                _check(index, record, layout)
            except _Fault as fault:
                raise _as_op_error(index, record, fault) from None
        raise


def _by_column(records: Sequence[bytes], layout: _Layout) -> list[Array]:
    """Decode records that have no fault.  ValueError or OverflowError if one has."""
    rows = [split(record, layout) for record in records]
    if any(len(row) != len(layout.columns) for row in rows):
        raise ValueError("a record has another number of fields")
    fields = list(zip(*rows, strict=True)) or [()] * len(layout.columns)
    return [_convert(column, *known, layout.na) for column, known in zip(fields, layout.columns, strict=True)]


def _check(index: int, record: bytes, layout: _Layout) -> None:
    """Raise the first fault of one record, if it has any."""
    fields = split(record, layout)
    if len(fields) != len(layout.columns):
        raise _Fault(f"Expect {len(layout.columns)} fields but have {len(fields)} in record {index}", None)
    for place, (field, (dtype, default)) in enumerate(zip(fields, layout.columns, strict=True)):
        column = place if layout.select is None else layout.select[place]
        if default is None and _is_missing(field, dtype, layout.na):
            raise _Fault(f"Field {place} is required but missing in record {index}!", column)
        try:
            _convert((field,), dtype, default, layout.na)
        except (ValueError, OverflowError):
            fact = f"Field {place} in record {index} is not a valid {_TYPES[dtype]}: {_shown(field)}"
            raise _Fault(fact, column) from None


def _as_op_error(index: int, record: bytes, fault: _Fault) -> InvalidArgumentError:
    where = "in" if fault.column is None else f"in column {fault.column} of"
    error = InvalidArgumentError(None, None, f"{fault}\n  {where} {_shown(record)!r}")
    error.record = index  # type: ignore[attr-defined]
    return error


def _shown(text: bytes) -> str:
    shown = text.decode(errors="backslashreplace")
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."


# -- one record to fields


def split(record: bytes, layout: _Layout) -> list[bytes]:
    """The wanted fields of a record; fewer if it has not all of them.  Raises _Fault."""
    if b"\n" in record or b"\r" in record or (layout.quotes and b'"' in record):
        fields = list(_scan(record, layout))
    else:
        fields = record.split(layout.delim, -1 if layout.select is None else layout.select[-1] + 1) if record else []
    if layout.select is None:
        return fields
    return [fields[column] for column in layout.select if column < len(fields)]


def _scan(record: bytes, layout: _Layout) -> Iterator[bytes]:
    """All fields up to the last wanted one, of a record with quotes or newlines."""
    wanted = len(record) + 1 if layout.select is None else layout.select[-1] + 1
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
        if count == wanted:
            return
    if record.endswith(layout.delim):
        yield b""


def _unquoted(record: bytes, at: int, layout: _Layout, column: int) -> tuple[bytes, int]:
    """The field that starts at `at`, and where the next one starts."""
    end = record.find(layout.delim, at)
    end = len(record) if end < 0 else end
    field = record[at:end]
    if b"\n" in field or b"\r" in field or (layout.quotes and b'"' in field):
        raise _Fault("Unquoted fields cannot have quotes/CRLFs inside", column)
    return field, end + 1


def _quoted(record: bytes, at: int, delim: bytes, column: int) -> tuple[bytes, int]:
    """The field whose opening quote is before `at`, and where the next one starts."""
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


def _convert(fields: Sequence[bytes], dtype: DType, default: Default, na: bytes) -> Array:
    """The fields of one column as a vector.  ValueError or OverflowError if one is not valid or misses."""
    parse: Callable[[bytes], Any] = bytes if dtype == string else float if dtype.is_floating else int
    try:
        if na in fields or (b"" in fields if dtype == string else b"_" in b"".join(fields)):
            raise ValueError("look at each field")
        values = list(map(parse, fields))
    except ValueError:
        values = [_value(field, dtype, default, na, parse) for field in fields]
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite, as in TensorFlow
        return np.array(values, dtype=dtype.numpy_dtype)


def _value(field: bytes, dtype: DType, default: Default, na: bytes, parse: Callable[[bytes], Any]) -> Any:
    if _is_missing(field, dtype, na):
        if default is None:
            raise ValueError("it is required but missing")
        return default
    if dtype != string and b"_" in field:  # Python takes 1_000 for a number
        raise ValueError(f"{field!r} is no number")
    return parse(field)


def _is_missing(field: bytes, dtype: DType, na: bytes) -> bool:
    return not field or field == na or (dtype != string and field.isspace())
