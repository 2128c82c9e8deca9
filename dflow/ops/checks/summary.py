"""Values as text, as TensorFlow prints them: in errors of assertions, by `Print` and by `print`.

Only the values that are shown become text.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["summarized", "summarized_with_ends"]


def summarized(array: Any, count: int) -> str:
    """The first `count` values (all if negative) in brackets for each axis but the first: `[1 2][3...]`."""
    values = np.asarray(array)
    left = values.size if count < 0 else count
    if values.ndim <= 1:
        return _few(values.reshape(-1), left)
    return _nested(values, left)[0]


def _few(values: np.ndarray[Any, Any], count: int) -> str:
    text = " ".join(_text(value) for value in values[:count])
    return text + ("..." if count < values.size else "")


def _nested(values: np.ndarray[Any, Any], left: int) -> tuple[str, int]:
    """The text, and how many values may still be shown behind it."""
    if values.ndim == 1:
        return _few(values, left), max(0, left - values.size)
    parts = []
    for row in values:
        if left <= 0:
            parts.append("...")
            break
        text, left = _nested(row, left)
        parts.append(f"[{text}]")
    return "".join(parts), left


def summarized_with_ends(array: Any, count: int) -> str:
    """The first and the last `count` values of each axis (all if negative), an inner row on each line."""
    return _with_ends(np.asarray(array), count, 1)


def _with_ends(values: Any, count: int, depth: int) -> str:
    if not getattr(values, "ndim", 0):
        return _text(values[()] if isinstance(values, np.ndarray) else values)
    shortened = 0 <= 2 * count < len(values)
    ends = [values[:count], values[len(values) - count :]] if shortened else [values]
    parts = [[_with_ends(item, count, depth + 1) for item in end] for end in ends]
    gap = " " if values.ndim == 1 else "\n" * (values.ndim - 1) + " " * depth
    return f"[{gap.join([*parts[0], *(['...'] if shortened else []), *(parts[1] if shortened else [])])}]"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"({_text(value.real)},{_text(value.imag)})"
    if isinstance(value, (np.float32, np.float64)):
        return _of_floating(value)
    return str(value)


def _of_floating(value: Any) -> str:
    """The shortest of two numbers of digits that gives the value back."""
    few, many = (6, 9) if isinstance(value, np.float32) else (15, 17)
    text = f"{value:.{few}g}"
    return text if type(value)(text) == value or value != value else f"{value:.{many}g}"
