"""Decoding CSV: `decode_csv`.

A difference to TensorFlow: a numeric field of blanks counts as missing.  A string keeps its blanks.
Source: tf.decode_csv of TensorFlow 1.15 (core/kernels/decode_csv_op.cc).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, string, to_array
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, convert_to_tensor, create_op
from dflow.ops.rules.batching import Attrs, Kernel, each
from dflow.readers.csv.arrow import decode_many, decode_records
from dflow.readers.csv.decode import TYPES, Default, decode_one, layout_of, new_layout
from dflow.readers.defaults import Computed, computed_tensor, known_value
from dflow.readers.records import Records
from dflow.registry import define, no_gradient
from dflow.shapes import TensorShape
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
    record_defaults: a list with one entry per column, a scalar or a vector of length 0 or 1; a tensor may be computed
        by each run.  Its dtype (float32, float64, int32, int64, string) is the column's.  Length 0: the column is
        required.
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
    computed = [tensor for value in record_defaults if (tensor := computed_tensor(value)) is not None]
    op = create_op(
        "DecodeCSV",
        convert_to_tensor(records, string, name="records"),
        *computed,
        name=name,
        out_types=tuple(dtype for dtype, _ in columns),
        defaults=tuple(default for _, default in columns),
        field_delim=field_delim,
        use_quote_delim=bool(use_quote_delim),
        na_value=na_value,
        select_cols=None if select_cols is None else _selection(select_cols, len(columns)),
    )
    return list(op.outputs)


def _column(index: int, value: Any) -> tuple[DType, Any]:
    """The dtype and the default of a column; None: it is required, Computed(): each run computes it."""
    which = f"record_defaults[{index}]"
    if value is None:
        raise TypeError(f"{which} is None; a column that is required has an empty vector of its dtype")
    tensor = computed_tensor(value)
    if tensor is None:
        array = to_array(known_value(value))
        dtype, shape, default = as_dtype(array.dtype), TensorShape(array.shape), _default(array)
    else:
        dtype, shape, default = tensor.dtype, tensor.shape, Computed()
    if dtype not in TYPES:
        allowed = ", ".join(accepted.name for accepted in TYPES)
        raise TypeError(f"{which} has dtype {dtype.name}, not in list of allowed values: {allowed}")
    if (shape.ndims or 0) > 1:
        raise ValueError(f"{which}: Shape must be at most rank 1 but is rank {shape.ndims}")
    if (shape.num_elements() or 0) > 1:
        raise ValueError(f"{which}: Shape of a default must be a length-0 or length-1 vector, or a scalar, got {shape}")
    return dtype, default


def _default(array: Array) -> Any:
    return array.reshape(-1).tolist()[0] if array.size else None


def _filled_in(defaults: Sequence[Any], computed: Iterable[Array]) -> tuple[Default, ...]:
    """The defaults of a run, including the computed ones."""
    values, filled = iter(computed), []
    for place, default in enumerate(defaults):
        if isinstance(default, Computed):
            array = next(values)
            if array.ndim > 1:
                raise InvalidArgumentError(None, None, "Each record default should be at most rank 1")
            if array.size > 1:
                fact = f"There should only be 1 default per field but field {place} has {array.size}"
                raise InvalidArgumentError(None, None, fact)
            default = _default(array)
        filled.append(default)
    return tuple(filled)


def _selection(select_cols: Sequence[int], n: int) -> tuple[int, ...]:
    chosen = tuple(int(column) for column in select_cols)
    if any(a >= b for a, b in pairwise(chosen)):
        raise ValueError(f"select_cols is not strictly increasing: {list(chosen)}")
    if any(column < 0 for column in chosen):
        raise ValueError(f"select_cols contains negative values: {list(chosen)}")
    if len(chosen) != n:
        raise ValueError(f"Length of select_cols and record_defaults do not match: {len(chosen)} columns, {n} defaults")
    return chosen


def _spec(records: TensorSpec, *_: TensorSpec, out_types: tuple[DType, ...], **__: Any) -> list[TensorSpec]:
    if records.dtype != string:
        raise DTypeError(f"records must be string, got {records.dtype.name}")
    return [TensorSpec(records.shape, dtype) for dtype in out_types]


def _kernel(records: Any, *computed: Array, **attrs: Any) -> Any:
    if computed:
        layout = new_layout(**attrs | {"defaults": _filled_in(attrs["defaults"], computed)})
    else:
        layout = layout_of(**attrs)
    columns: Sequence[Any]
    if not records.ndim:
        columns = decode_one(records.item(), layout)
    elif isinstance(records, Records) and not computed:  # whose block is decoded once, with these defaults
        columns = decode_records(records, layout)
    else:
        columns = [column.reshape(records.shape) for column in decode_many(records.reshape(-1).tolist(), layout)]
    return columns[0] if len(columns) == 1 else columns


def _batch(kernel: Kernel, arrays: Sequence[Any], batched: Sequence[bool], attrs: Attrs) -> Any:
    """Records of any shape are decoded alike, with defaults that are the same in each step."""
    return each(kernel, arrays, batched, attrs) if any(batched[1:]) else kernel(*arrays, **attrs)


define(
    "DecodeCSV",
    spec=_spec,
    kernel=_kernel,
    gradient=no_gradient("a CSV field has no gradient"),
    batch=_batch,
    host_only=True,
)
