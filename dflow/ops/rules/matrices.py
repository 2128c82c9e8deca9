"""Static shapes of stacks of matrices: [..., rows, columns], where the leading axes count the matrices.

The texts of the errors are those of TensorFlow's shape functions.
"""

from __future__ import annotations

from typing import NamedTuple

from dflow.errors import ShapeError
from dflow.shapes import UNKNOWN_SHAPE, TensorShape, bracket
from dflow.specs import TensorSpec

__all__ = ["Stack", "floating_or_complex", "merged_size", "of_rank_at_least", "smaller", "square", "stack"]


class Stack(NamedTuple):
    """A stack of matrices: the shape of the leading axes, and the sizes of a matrix."""

    outer: TensorShape
    rows: int | None
    columns: int | None

    def of(self, *sizes: int | None) -> TensorShape:
        """The shape of a stack of the same length, of matrices (or vectors, or numbers) of these sizes."""
        return self.outer.concatenate(sizes)


def of_rank_at_least(spec: TensorSpec, rank: int) -> None:
    """ShapeError for a rank that is known to be smaller."""
    ndims = spec.shape.ndims
    if ndims is not None and ndims < rank:
        raise ShapeError(
            f"Shape must be at least rank {rank} but is rank {ndims}: "
            f"input must be at least {rank}-dim, got shape: {bracket(spec.shape.known)}"
        )


def stack(spec: TensorSpec) -> Stack:
    """The parts of the shape; ShapeError for a rank below 2."""
    of_rank_at_least(spec, 2)
    if spec.shape.ndims is None:
        return Stack(UNKNOWN_SHAPE, None, None)
    *outer, rows, columns = spec.shape.known
    return Stack(TensorShape(outer), rows, columns)


def square(spec: TensorSpec) -> Stack:
    """As `stack`; ShapeError for matrices that are known not to be square."""
    found = stack(spec)
    size = merged_size(found.rows, found.columns, "Input matrix must be square")
    return Stack(found.outer, size, size)


def merged_size(a: int | None, b: int | None, what: str = "") -> int | None:
    """The size that both are, as far as it is known; ShapeError if they differ."""
    if a is not None and b is not None and a != b:
        raise ShapeError(f"Dimensions must be equal, but are {a} and {b}" + (f": {what}" if what else ""))
    return b if a is None else a


def smaller(a: int | None, b: int | None) -> int | None:
    """The smaller one of two sizes, None if it is not known."""
    if 0 in (a, b):
        return 0
    return None if a is None or b is None else min(a, b)


def floating_or_complex(spec: TensorSpec) -> bool:
    return spec.dtype.is_floating or spec.dtype.is_complex
