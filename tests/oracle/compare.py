"""Where two results of a program differ.  Both are plain JSON, as `tests/oracle/tools.py:canonical` makes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

RELATIVE, ABSOLUTE = 1e-5, 1e-6
HALF = 1e-2  # for 16-bit floats


def differences(expected: Any, got: Any, place: str = "") -> Iterator[str]:
    """Each difference, as text that names its place."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if "array" in expected and "array" in got:
            yield from _of_arrays(expected, got, place)
        else:
            yield from _of_keys(expected, got, place)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, pair in enumerate(zip(expected, got, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif type(expected) is not type(got) or expected != got:
        yield f"{place or 'all'}: TensorFlow gives {expected!r}, dflow gives {got!r}"


def _of_keys(expected: dict[str, Any], got: dict[str, Any], place: str) -> Iterator[str]:
    for key in expected.keys() | got.keys() if expected.keys() == got.keys() else ():
        yield from differences(expected[key], got[key], f"{place}[{key!r}]")
    if expected.keys() != got.keys():
        yield f"{place or 'all'}: TensorFlow gives {expected!r}, dflow gives {got!r}"


def _of_arrays(expected: dict[str, Any], got: dict[str, Any], place: str) -> Iterator[str]:
    kinds = [(it["array"], it["shape"]) for it in (expected, got)]
    if kinds[0] != kinds[1] or not _close(expected, got):
        yield f"{place or 'all'}: TensorFlow gives {expected!r}, dflow gives {got!r}"


def _close(expected: dict[str, Any], got: dict[str, Any]) -> bool:
    dtype = expected["array"]
    if not dtype.startswith(("float", "complex", "bfloat")):
        return bool(expected["values"] == got["values"])
    half = dtype in ("float16", "bfloat16")
    relative, absolute = (HALF, HALF) if half else (RELATIVE, ABSOLUTE)
    return bool(np.allclose(expected["values"], got["values"], rtol=relative, atol=absolute, equal_nan=True))
