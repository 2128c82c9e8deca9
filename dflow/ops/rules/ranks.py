"""Checks of ranks and sizes, with the messages of TensorFlow: of static shapes and of the shapes of arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dflow.errors import InvalidArgumentError, ShapeError
from dflow.shapes import TensorShape
from dflow.specs import TensorSpec

__all__ = ["bracketed", "exactly", "merged_size", "prefix", "require", "same_size", "size_is", "up_from"]


def exactly(x: TensorSpec, rank: int) -> TensorShape:
    """The static shape, of this rank; ShapeError if it has another one."""
    if x.shape.ndims not in (rank, None):
        raise ShapeError(f"Shape must be rank {rank} but is rank {x.shape.ndims}")
    return x.shape.with_rank(rank)


def up_from(x: TensorSpec, rank: int) -> TensorShape:
    """The static shape, which has this rank or a higher one; ShapeError if it has a lower one."""
    if x.shape.ndims is not None and x.shape.ndims < rank:
        raise ShapeError(f"Shape must be at least rank {rank} but is rank {x.shape.ndims}")
    return x.shape


def merged_size(a: int | None, b: int | None) -> int | None:
    """One static size of two that are equal; ShapeError if they are known and differ."""
    if a is not None and b is not None and a != b:
        raise ShapeError(f"Dimensions must be equal, but are {a} and {b}")
    return b if a is None else a


def size_is(size: int | None, wanted: int) -> None:
    """ShapeError if a static size is known to be another one."""
    if size not in (None, wanted):
        raise ShapeError(f"Dimension must be {wanted} but is {size}")


def prefix(whole: TensorShape, start: TensorShape) -> TensorShape:
    """The static shape behind `start`, with which `whole` begins; ShapeError if it does not begin so."""
    if start.ndims is None or whole.ndims is None:
        return TensorShape(None)
    if start.ndims > whole.ndims:
        raise ShapeError(f"Shape must be at least rank {start.ndims} but is rank {whole.ndims}")
    for a, b in zip(whole.known, start.known, strict=False):
        merged_size(a, b)
    rest: TensorShape = whole[start.ndims :]
    return rest


def same_size(a: TensorSpec, b: TensorSpec) -> TensorShape:
    """The static shape of two vectors that are of one length."""
    return TensorShape([merged_size(exactly(a, 1)[0], exactly(b, 1)[0])])


def require(holds: Any, fact: str) -> None:
    """InvalidArgumentError with the fact, unless it holds: for kernels."""
    if not holds:
        raise InvalidArgumentError(None, None, fact)


def bracketed(sizes: Iterable[Any]) -> str:
    """Numbers as TensorFlow's kernels print them: `[2,3]`."""
    return "[" + ",".join(str(size) for size in sizes) + "]"
