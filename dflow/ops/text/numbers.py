"""Strings as numbers, and numbers as strings.

Source: tf.string_to_number, tf.as_string of TensorFlow 1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dflow.dtypes import DType, as_dtype, float32, float64, int32, int64, string
from dflow.errors import DTypeError, InvalidArgumentError
from dflow.graph import Tensor, add_op, convert_to_tensor
from dflow.ops.rules.batching import elementwise
from dflow.ops.rules.static import only
from dflow.ops.text.each import NO_GRADIENT, Array, array_of, check, strings, text_of
from dflow.registry import define
from dflow.specs import TensorSpec

__all__ = ["as_string", "string_to_number"]


def string_to_number(
    string_tensor: Any = None, out_type: Any = float32, name: str | None = None, input: Any = None
) -> Tensor:
    """The number that each string says, in the shape of the input.

    out_type: float32, float64, int32 or int64.  Blanks around a number are ignored.  input: another name of
    `string_tensor`.
    A run raises InvalidArgumentError for a string that is no number, or none of this dtype.
    """
    if string_tensor is not None and input is not None:
        raise ValueError("Cannot specify both 'string_tensor' and 'input'.")
    texts = strings(string_tensor if input is None else input, "string_tensor")
    tensor: Tensor = add_op("StringToNumber", texts, name=name, out_type=as_dtype(out_type))
    return tensor


def _number_spec(texts: TensorSpec, out_type: DType) -> TensorSpec:
    check(texts)
    only(TensorSpec(texts.shape, out_type), out_type in (float32, float64, int32, int64), "float32, float64, int32, "
         "int64 as out_type")  # fmt: skip
    return TensorSpec(texts.shape, out_type)


def _number_kernel(texts: Array, out_type: DType) -> Array:
    items = texts.reshape(-1).tolist()
    convert: Callable[[bytes], Any] = float if out_type.is_floating else int
    try:
        if b"_" in b"".join(items):  # Python's own numbers may have them
            raise ValueError
        found = np.fromiter(map(convert, items), _wide(out_type), len(items))
    except (ValueError, OverflowError):
        found = np.array([_one_number(text, convert) for text in items], _wide(out_type))
    if out_type == int32:
        _check_range(found, items)
    with np.errstate(over="ignore"):
        return found.astype(out_type.numpy_dtype, copy=False).reshape(texts.shape)


def _wide(out_type: DType) -> Any:
    return np.float64 if out_type.is_floating else np.int64


def _one_number(text: bytes, convert: Callable[[bytes], Any]) -> Any:
    try:
        if b"_" in text:
            raise ValueError
        hexadecimal = convert is float and text.strip().lower().lstrip(b"+-").startswith(b"0x")
        number = float.fromhex(text.decode()) if hexadecimal else convert(text)
        if convert is int:
            np.int64(number)
        return number
    except (ValueError, OverflowError):
        raise _no_number(text) from None


def _check_range(numbers: Array, texts: list[bytes]) -> None:
    (outside,) = np.nonzero(numbers != numbers.astype(np.int32))
    if len(outside):
        raise _no_number(texts[outside[0]])


def _no_number(text: bytes) -> InvalidArgumentError:
    shown = text.decode(errors="backslashreplace")
    return InvalidArgumentError(None, None, f"StringToNumberOp could not correctly convert string: {shown}")


define(
    "StringToNumber",
    spec=_number_spec,
    kernel=_number_kernel,
    gradient=NO_GRADIENT,
    batch=elementwise,
    host_only=True,
)


def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Tensor:
    """Each number as a string, as `printf` of C writes it; bool as "true" and "false", complex as "(1.0,2.0)".

    precision: digits behind the point, 6 if it is negative.  scientific: with an exponent, as `%e`; shortest: the
    shorter one of both, as `%g`.  width: the least number of characters; fill: "", " ", "0", "+" or "-", what fills
    up to that width, or is added.
    A run raises InvalidArgumentError for arguments that contradict each other or the dtype.
    """
    attrs = {
        "precision": int(precision),
        "scientific": bool(scientific),
        "shortest": bool(shortest),
        "width": int(width),
        "fill": text_of(fill),
    }
    tensor: Tensor = add_op("AsString", convert_to_tensor(input), name=name, **attrs)
    return tensor


def _string_spec(x: TensorSpec, **attrs: Any) -> TensorSpec:
    if x.dtype == string:
        raise DTypeError("the input is text already; as_string takes numbers and bool")
    return TensorSpec(x.shape, string)


def _string_kernel(x: Any, precision: int, scientific: bool, shortest: bool, width: int, fill: str) -> Array:
    numbers = np.asarray(x)
    form = _form(as_dtype(numbers.dtype), precision, scientific, shortest, width, fill)
    if numbers.dtype.kind == "b":
        return array_of((b"true" if item else b"false" for item in numbers.reshape(-1).tolist()), numbers.shape)
    if numbers.dtype.kind == "c":
        pairs = zip(*(_written(part, form) for part in (numbers.real, numbers.imag)), strict=True)
        return array_of((b"(%s,%s)" % pair for pair in pairs), numbers.shape)
    return array_of(_written(numbers, form), numbers.shape)


def _written(numbers: Array, form: bytes) -> list[bytes]:
    items = numbers.reshape(-1).tolist()
    if form.startswith(b"%0") and numbers.dtype.kind in "fV" and not np.isfinite(numbers).all():
        blank = b"%" + form[2:]  # as in C, zeros do not fill up inf and nan
        return [(form if np.isfinite(item) else blank) % item for item in items]
    return [form % item for item in items]


def _form(dtype: DType, precision: int, scientific: bool, shortest: bool, width: int, fill: str) -> bytes:
    """The format of one number; InvalidArgumentError for arguments that do not fit."""
    inexact = dtype.is_floating or dtype.is_complex
    wrong = None
    if scientific and shortest:
        wrong = "Cannot select both scientific and shortest notation"
    elif len(fill) > 1:
        wrong = f"Fill string must be one or fewer characters, got {fill!r}"
    elif fill not in ("", " ", "+", "-", "0", "#"):
        wrong = f"Fill argument not supported: {fill!r}"
    elif not inexact and (scientific or shortest):
        wrong = f"scientific and shortest format not supported for datatype {dtype.name}"
    elif not inexact and precision >= 0:
        wrong = f"precision not supported for datatype {dtype.name}"
    if wrong:
        raise InvalidArgumentError(None, None, wrong)
    letter = "d" if not inexact else "e" if scientific else "g" if shortest else "f"
    digits = f".{precision}" if precision >= 0 else ""
    return f"%{fill}{width if width >= 0 else ''}{digits}{letter}".encode()


define("AsString", spec=_string_spec, kernel=_string_kernel, gradient=NO_GRADIENT, batch=elementwise, host_only=True)
