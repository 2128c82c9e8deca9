"""The characters of strings: their number, lower and upper case, blanks at the ends.

Source: tf.strings.length, lower, upper, strip of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dflow.dtypes import int32
from dflow.errors import InvalidArgumentError
from dflow.graph import Tensor, add_op
from dflow.ops.text.each import Array, allowed, each, rules_of_each, strings
from dflow.registry import define

__all__ = ["string_length", "string_lower", "string_strip", "string_upper"]


def string_length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """The length of each string, as int32, in the shape of the input.

    unit: "BYTE", or "UTF8_CHAR": characters of text in UTF-8; the bytes of other text count as they come.
    """
    chosen = allowed("unit", unit, ("BYTE", "UTF8_CHAR"))
    tensor: Tensor = add_op("StringLength", strings(input), name=name, unit=chosen)
    return tensor


def string_lower(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Each string in lower case.

    encoding: "": only the letters of ASCII are changed; "utf-8": those of all alphabets.
    A run raises InvalidArgumentError for another encoding.
    """
    tensor: Tensor = add_op("StringLower", strings(input), name=name, encoding=encoding)
    return tensor


def string_upper(input: Any, encoding: str = "", name: str | None = None) -> Tensor:
    """Each string in upper case; encoding: as `string_lower`."""
    tensor: Tensor = add_op("StringUpper", strings(input), name=name, encoding=encoding)
    return tensor


def string_strip(input: Any, name: str | None = None) -> Tensor:
    """Each string without the blanks of ASCII at its ends."""
    tensor: Tensor = add_op("StringStrip", strings(input), name=name)
    return tensor


def _length_kernel(texts: Array, unit: str) -> Array:
    items = texts.reshape(-1).tolist()
    lengths = np.fromiter(map(len, items), np.int64, len(items))
    if unit == "UTF8_CHAR":
        lengths = _characters(b"".join(items), lengths)
    return lengths.astype(np.int32).reshape(texts.shape)


def _characters(data: bytes, lengths: Array) -> Array:
    """The characters in each of several strings in a row: the bytes that do not continue one."""
    begins = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    before = np.concatenate([[0], np.cumsum(begins)])
    ends = np.cumsum(lengths)
    counts: Array = before[ends] - before[ends - lengths]
    return counts


def _lower_kernel(texts: Array, encoding: str) -> Array:
    if _is_unicode(encoding):
        return each(texts, lambda text: text.decode(errors="replace").lower().encode())
    return each(texts, bytes.lower)


def _upper_kernel(texts: Array, encoding: str) -> Array:
    if _is_unicode(encoding):
        return each(texts, lambda text: text.decode(errors="replace").upper().encode())
    return each(texts, bytes.upper)


def _is_unicode(encoding: str) -> bool:
    if encoding not in ("", "utf-8"):
        fact = f"only utf-8 or '' (no encoding) is supported, received {encoding}"
        raise InvalidArgumentError(None, None, fact)
    return encoding == "utf-8"


define("StringLength", **rules_of_each(_length_kernel, int32))
define("StringLower", **rules_of_each(_lower_kernel))
define("StringUpper", **rules_of_each(_upper_kernel))
define("StringStrip", **rules_of_each(lambda texts: each(texts, bytes.strip)))
