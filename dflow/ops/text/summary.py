"""The values of a tensor as text, as `strings.format` shows them.

Source: Tensor::SummarizeValue of TensorFlow 1.15, in the form of tf.print.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["summary"]

_ESCAPES = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", ord('"'): '\\"', ord("'"): "\\'", ord("\\"): "\\\\"}


def summary(array: Any, most: int) -> str:
    """The values, in brackets for each axis; of an axis at most `most` at each end, all of them if it is negative.

    Bytes that are no UTF-8 are in it as `surrogateescape` writes them.
    """
    values = np.asarray(array)
    return _axis(values, 0, values.size if most < 0 else most)


def _axis(values: Any, axis: int, most: int) -> str:
    if values.ndim == 0:
        return _one(values[()])
    shown = [_axis(values[i, ...], axis + 1, most) for i in range(min(most, len(values)))]
    if len(values) > 2 * most:
        shown.append("...")
    shown += [_axis(values[i, ...], axis + 1, most) for i in range(max(most, len(values) - most), len(values))]
    inner = values.ndim - 1
    return f"[{(' ' if inner == 0 else chr(10) * inner + ' ' * (axis + 1)).join(shown)}]"


def _one(value: Any) -> str:
    if isinstance(value, bytes):
        return f'"{"".join(map(_character, value.decode("utf-8", "surrogateescape")))}"'
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"({_floating(value.real)},{_floating(value.imag)})"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    return _floating(value)


def _character(character: str) -> str:
    """A character as C writes it in a string."""
    code = ord(character)
    return _ESCAPES.get(code) or (character if 32 <= code != 127 else f"\\{code:03o}")


def _floating(value: Any) -> str:
    """The shortest of two usual numbers of digits that says the value."""
    few, many = (15, 17) if np.asarray(value).dtype == np.float64 else (6, 9)
    text = f"{float(value):.{few}g}"
    return text if np.asarray(value).dtype.type(float(text)) == value or value != value else f"{float(value):.{many}g}"
