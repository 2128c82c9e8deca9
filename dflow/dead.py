"""The value of a tensor in a branch that is not taken.

A `Switch` gives its input to one of its two outputs, and `DEAD` to the other one.  An operation with a dead input, or
after a dead control input, does not run, and its outputs are dead, too.  A `Merge` gives the input that is not dead.
Source: control flow of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any


class _Dead:
    """There is one object of this class in each process, `DEAD`."""

    dtype = None  # so that programs take it for an array
    __slots__ = ()

    def __reduce__(self) -> str:
        return "DEAD"

    def __repr__(self) -> str:
        return "DEAD"


DEAD: Any = _Dead()
