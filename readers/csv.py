"""Decoding CSV: `decode_csv`.

Where it differs from TensorFlow: a numeric field of blanks counts as missing.  A string keeps its blanks.
Source: tf.decode_csv of TensorFlow 1.15 (core/kernels/decode_csv_op.cc).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, string, to_array
from dflow.errors import DTypeError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.batching import elementwise
from dflow.ops.constants import constant_value
from dflow.readers.csv_arrow import decode_many, decode_records
from dflow.readers.csv_decode import TYPES, Default, decode_one, layout_of
from dflow.readers.records import Records
from dflow.registry import define, no_gradient
from dflow.specs import TensorSpec

Array = np.ndarray[Any, Any]


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
    if dtype not in TYPES:
        allowed = ", ".join(known.name for known in TYPES)
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


def _kernel(records: Any, **attrs: Any) -> Any:
    layout = layout_of(**attrs)
    columns: Sequence[Any]
    if not records.ndim:
        columns = decode_one(records.item(), layout)
    elif isinstance(records, Records):
        columns = decode_records(records, layout)
    else:
        columns = [column.reshape(records.shape) for column in decode_many(records.reshape(-1).tolist(), layout)]
    return columns[0] if len(columns) == 1 else columns


define(
    "DecodeCSV",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a CSV field has no gradient"),
    batch=elementwise,  # records of any shape are decoded alike
    host_only=True,
)
