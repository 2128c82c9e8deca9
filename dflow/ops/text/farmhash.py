"""Fingerprints of strings: the 64 bits of FarmHash that never change.

Source: Fingerprint64 of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

import farmhash
import numpy as np

__all__ = ["fingerprints"]


def fingerprints(texts: list[bytes]) -> np.ndarray[Any, Any]:
    """The fingerprint of each string: uint64 [n]."""
    return np.fromiter(map(farmhash.fingerprint64, texts), np.uint64, len(texts))
