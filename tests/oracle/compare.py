"""Where two results of a program differ.  Both are plain JSON, as `tests/oracle/tools.py:canonical` makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

RELATIVE, ABSOLUTE = 1e-5, 1e-6
HALF = 1e-2  # of 16-bit floats

Difference = tuple[str, str]  # the place in the result, and what is there


def differences(expected: Any, got: Any, place: str = "") -> Iterator[Difference]:
    """Each difference; a place reads `part.key[index]`."""
    if isinstance(expected, dict) and isinstance(got, dict) and expected.keys() == got.keys():
        if "array" not in expected:
            for key in expected:
                yield from differences(expected[key], got[key], f"{place}.{key}" if place else key)
        elif not _equal_arrays(expected, got):
            yield place, _both(expected, got)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, pair in enumerate(zip(expected, got, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif type(expected) is not type(got) or expected != got:
        yield place, _both(expected, got)


def _both(expected: Any, got: Any) -> str:
    return f"TensorFlow gives {expected!r}, dflow gives {got!r}"


def _equal_arrays(expected: dict[str, Any], got: dict[str, Any]) -> bool:
    dtype, shape = expected["array"], expected["shape"]
    if (got["array"], got["shape"]) != (dtype, shape):
        return False
    if not dtype.startswith(("float", "complex", "bfloat")):
        return bool(expected["values"] == got["values"])
    half = dtype in ("float16", "bfloat16")
    relative, absolute = (HALF, HALF) if half else (RELATIVE, ABSOLUTE)
    return bool(np.allclose(expected["values"], got["values"], rtol=relative, atol=absolute, equal_nan=True))
