"""A reference to a tensor or a variable, which compares and hashes by identity.

Source: Tensor.experimental_ref of TensorFlow 1.15.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Reference"]


class Reference:
    """A key for dictionaries and sets: equal to a reference to the same object, and to no other one."""

    __slots__ = ("_object",)

    def __init__(self, item: Any) -> None:
        self._object = item

    def deref(self) -> Any:
        """The tensor or the variable."""
        return self._object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._object is other._object

    def __hash__(self) -> int:
        return id(self._object)

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._object!r}>"
